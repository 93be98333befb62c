//! The example server as a program: flags, messages, signals.

#![cfg(all(unix, feature = "users"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// The program. `cargo test` has built it, unless it was told to build some tests only.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--example", "server", "--message-format=json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        let messages = String::from_utf8(built.stdout).unwrap();
        let executable = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "server")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from));
        executable.unwrap()
    })
}

/// Runs the program to its end, which comes at once.
fn run(flags: &[&str]) -> Output {
    let output = Command::new(program()).args(flags).output().unwrap();
    assert_eq!(output.stdout, b"");
    output
}

/// What it says when it cannot start: one line.
fn complaint(flags: &[&str]) -> String {
    let output = run(flags);
    assert!(!output.status.success(), "{flags:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    said
}

struct Server {
    process: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Server {
    fn start(flags: &[&str], log: &str) -> Self {
        let mut process = Command::new(program())
            .args(flags)
            .env("RUST_LOG", log)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = Self::listening(&mut log);
        Self {
            process,
            log,
            address,
        }
    }

    fn listening(log: &mut impl BufRead) -> SocketAddr {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let (_, address) = line.trim_end().split_once("listening on ").unwrap();
        address.parse().unwrap()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn ends(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "still running");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn exchange(stream: &mut TcpStream, say: &[u8], hear: usize) -> Vec<u8> {
    stream.write_all(say).unwrap();
    let mut heard = vec![0; hear];
    stream.read_exact(&mut heard).unwrap();
    heard
}

fn connect_request(target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(target) = target else {
        unreachable!()
    };
    let mut request = b"\x05\x01\x00\x01".to_vec();
    request.extend(target.ip().octets());
    request.extend(target.port().to_be_bytes());
    request
}

#[test]
fn without_flags_it_means_port_1080_of_loopback() {
    let help = Command::new(program()).arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in [
        "--listen",
        "--user",
        "--open",
        "--allow-private",
        "127.0.0.1:1080",
    ] {
        assert!(help.contains(flag), "{help}");
    }
}

#[test]
fn it_says_in_one_line_why_it_cannot_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let said = complaint(&["--listen", &taken]);
    assert!(said.contains(&taken) && said.contains("in use"), "{said}");

    for (flags, expected) in [
        (&["--listen", "1080"][..], "expected ADDR:PORT"),
        (&["--listen", "localhost:1080"], "expected ADDR:PORT"),
        (&["--listen", "127.0.0.1:99999"], "expected ADDR:PORT"),
        (&["--listen"], "--listen"),
        (&["--user", "joe"], "NAME:PASSWORD"),
        (&["--user", "joe:"], "1 to 255"),
        (&["--user", ":secret"], "1 to 255"),
        (&["--users", "joe:secret"], "--users"),
        (&["--open=yes"], "--open"),
        (&["127.0.0.1:1080"], "127.0.0.1:1080"),
    ] {
        let said = complaint(flags);
        assert!(said.contains(expected), "{flags:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn it_is_no_open_proxy_by_accident() {
    for exposed in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let said = complaint(&["--listen", "127.0.0.1:0", "--listen", exposed]);
        assert!(said.contains("--user") && said.contains("--open"), "{said}");
        // A user that is malformed must not end in no user at all.
        complaint(&["--listen", exposed, "--user", "joe"]);
    }
    Server::start(&["--listen", "0.0.0.0:0", "--open"], "info");
    Server::start(&["--listen", "0.0.0.0:0", "--user", "joe:secret"], "info");
    Server::start(&["--listen", "127.8.8.8:0"], "info");
}

#[test]
fn users_have_to_authenticate() {
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--user",
        "joe:se:cret",
        "--user",
        "jane:hidden",
    ];
    let server = Server::start(&flags, "info");
    assert_eq!(
        exchange(&mut server.connect(), b"\x05\x01\x00", 2),
        b"\x05\xff"
    );
    for (credentials, status) in [
        (&b"\x01\x03joe\x07se:cret"[..], 0),
        (b"\x01\x04jane\x06hidden", 0),
        (b"\x01\x03joe\x06hidden", 1),
    ] {
        let mut client = server.connect();
        assert_eq!(exchange(&mut client, b"\x05\x02\x00\x02", 2), b"\x05\x02");
        assert_eq!(exchange(&mut client, credentials, 2), [1, status]);
    }
}

#[test]
fn every_address_is_listened_on_and_said() {
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.2:0",
        "--allow-private",
    ];
    // Even where nothing else is logged.
    let mut server = Server::start(&flags, "off");
    let second = Server::listening(&mut server.log);
    for address in [server.address, second] {
        let mut client = TcpStream::connect(address).unwrap();
        assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    }
}

#[test]
fn a_signal_drains_and_a_second_one_does_not_wait() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut request = b"\x05\x01\x00".to_vec();
    request.extend(connect_request(target.local_addr().unwrap()));
    for (first, second) in [(Signal::TERM, None), (Signal::INT, Some(Signal::TERM))] {
        let mut server = Server::start(&["--listen", "127.0.0.1:0"], "info");
        let mut client = server.connect();
        exchange(&mut client, &request, 12);
        let (mut accepted, _) = target.accept().unwrap();

        server.signal(first);
        let mut line = String::new();
        server.log.read_line(&mut line).unwrap();
        assert!(line.contains("stopping"), "{line}");
        // The session goes on.
        accepted.write_all(b"still here").unwrap();
        assert_eq!(exchange(&mut client, b"", 10), b"still here");
        assert!(server.process.try_wait().unwrap().is_none());
        match second {
            Some(second) => {
                server.signal(second);
                assert_eq!(server.ends().code(), Some(1));
            }
            None => {
                drop((client, accepted));
                assert_eq!(server.ends().code(), Some(0));
            }
        }
    }
}

#[test]
fn a_session_is_one_line_at_its_end() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--user", "joe:secret"];
    let mut server = Server::start(&flags, "info");
    let mut client = server.connect();
    let peer = client.local_addr().unwrap();
    let mut said = b"\x05\x01\x02\x01\x03joe\x06secret".to_vec();
    said.extend(connect_request(address));
    said.extend(b"four");
    exchange(&mut client, &said, 14);
    let (mut accepted, _) = target.accept().unwrap();
    accepted.write_all(b"sixsix").unwrap();
    assert_eq!(exchange(&mut client, b"", 6), b"sixsix");
    drop(client);
    drop(accepted);
    let mut line = String::new();
    server.log.read_line(&mut line).unwrap();
    for part in [
        "INFO",
        &format!("peer={peer}"),
        "user=joe",
        "command=CONNECT",
        &format!("target={address}"),
        "up=4",
        "down=6",
        "duration=",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!line.contains("secret"));
}
