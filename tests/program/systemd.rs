//! The example server under systemd: sockets that are passed, and what it tells.

use std::{
    io::BufReader,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixDatagram},
    },
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::program::{Server, connect_request, exchange, file::File, program};

/// The socket that systemd would listen on.
struct Notifications {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notifications {
    fn new(name: &str) -> Self {
        let name = format!("tower-socks-notify-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        let limit = Some(Duration::from_secs(20));
        socket.set_read_timeout(limit).unwrap();
        Self { socket, path }
    }

    fn next(&self) -> String {
        let mut message = [0; 256];
        let length = self.socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn it_says_how_it_stands() {
    let told = Notifications::new("states");
    let file = File::new("");
    let mut server = Server::spawn(
        Command::new(program())
            .args(["--listen", "127.0.0.1:0", "--config", file.path()])
            .env("NOTIFY_SOCKET", &told.path)
            .env("RUST_LOG", "info"),
    );
    assert_eq!(told.next(), "READY=1\n");

    server.signal(Signal::HUP);
    let reloading = told.next();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told.next(), "READY=1\n");
    // Also when nothing comes of it.
    std::fs::write(&file.0, "nonsense").unwrap();
    server.signal(Signal::HUP);
    assert!(told.next().starts_with("RELOADING=1\n"));
    assert_eq!(told.next(), "READY=1\n");

    server.signal(Signal::TERM);
    assert_eq!(told.next(), "STOPPING=1\n");
    assert!(server.ends().success());
}

#[test]
fn it_serves_the_sockets_that_are_passed() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // The first of them is descriptor 3, and the process has to be the one that is meant.
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let mut process = Command::new("sh")
        .args(["-c", script])
        .arg(program())
        // Not listened on: the file's address gives way as well.
        .args(["--listen", "192.0.2.1:1080", "--allow-private"])
        .env("RUST_LOG", "info")
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    assert_eq!(Server::listening(&mut log), address);
    let server = Server {
        process,
        log,
        address,
    };
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    let request = connect_request(target.local_addr().unwrap());
    assert_eq!(exchange(&mut client, &request, 10)[1], 0);
}

#[test]
fn a_socket_that_is_passed_is_no_open_proxy_either() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\"";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(program())
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("anyone could use a proxy on"), "{said}");
}

#[test]
fn a_socket_that_is_passed_has_the_settings_with_its_name() {
    let file = File::new(
        "[[listen]]\naddress = \"192.0.2.1:1080\"\nname = \"web\"\nprotocols = [\"http\"]\n",
    );
    for (name, selection) in [("web", 0xff), ("other", 0)] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = format!(
            "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec \"$0\" \"$@\""
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .arg(program())
            .args(["--config", file.path()])
            .stdin(Stdio::from(OwnedFd::from(socket)));
        let server = Server::spawn(&mut command);
        let mut client = server.connect();
        let said = exchange(&mut client, b"\x05\x01\x00", 2);
        assert_eq!(said, [5, selection], "{name}");
    }
}

/// A process that nobody else ends.
struct Process(Pid);

impl Drop for Process {
    fn drop(&mut self) {
        _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn it_starts_its_program_anew_and_names_it_as_the_main_process() {
    let told = Notifications::new("upgrade");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // The name's settings are the new process's as well: it has the socket as if systemd had passed it.
    let file = File::new(
        "[[listen]]\naddress = \"192.0.2.1:1080\"\nname = \"web\"\nprotocols = [\"http\"]\n\
         [acl]\ndefault = \"allow\"\nallow_private = true\n",
    );
    let script =
        "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(program())
        .args(["--config", file.path()])
        .env("NOTIFY_SOCKET", &told.path)
        .env("RUST_LOG", "info")
        .stdin(Stdio::from(OwnedFd::from(socket)));
    let mut old = Server::spawn(&mut command);
    assert_eq!(told.next(), "READY=1\n");
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = target.local_addr().unwrap();
    let tunnel = |server: &Server| {
        let mut client = server.connect();
        let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        let said = exchange(&mut client, request.as_bytes(), 12);
        assert_eq!(said, b"HTTP/1.1 200");
        (client, target.accept().unwrap().0)
    };
    let through_old = tunnel(&old);

    old.signal(Signal::USR2);
    let named = told.next();
    let pid = named.strip_prefix("MAINPID=").unwrap().trim_end();
    let new = Process(Pid::from_raw(pid.parse().unwrap()).unwrap());
    assert_eq!(told.next(), "READY=1\n");
    assert_eq!(Server::listening(&mut old.log), address);
    let through_new = tunnel(&old);
    // Nothing is said of stopping: the service does not.
    drop(through_old);
    assert!(old.ends().success());
    drop(through_new);
    drop(tunnel(&old));
    kill_process(new.0, Signal::TERM).unwrap();
    assert_eq!(told.next(), "STOPPING=1\n");
}

#[test]
fn a_service_is_upgraded_by_the_signal_alone() {
    let told = Notifications::new("refused");
    let directory =
        std::env::temp_dir().join(format!("tower-socks-service-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    let path = directory.join("upgrade");
    let file = File::new(&format!(
        "listen = \"127.0.0.1:0\"\nupgrade_socket = \"{}\"\n",
        path.display()
    ));
    let mut command = Command::new(program());
    command
        .args(["--config", file.path()])
        .env("NOTIFY_SOCKET", &told.path);
    let server = Server::spawn(&mut command);
    let output = Command::new(program())
        .args(["--upgrade", "--config", file.path()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("systemctl kill --kill-whom=main --signal=USR2"),
        "{said}"
    );
    drop(server.connect());
    drop(server);
    std::fs::remove_dir_all(&directory).unwrap();
}
