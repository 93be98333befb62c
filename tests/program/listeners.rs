//! The example server at several listeners: settings of their own, Unix sockets, and what they share.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    process::Command,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::program::{Server, complaint, connect_request, exchange, file::File, program};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// A path that nothing is at; what is there in the end goes with it.
struct Path(PathBuf);

impl Path {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-socks-{}-{number}.sock", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// A file that listens here, and on an address of loopback.
    fn file(&self, more: &str) -> File {
        let path = self.0.display();
        File::new(&format!(
            "{OPEN}[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\npath = \"{path}\"\n{more}"
        ))
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.0).unwrap();
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).unwrap();
        stream
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

fn start(file: &File) -> Server {
    Server::start(&["--config", file.path()], "info")
}

#[test]
fn a_unix_socket_serves_those_who_may_open_it() {
    let path = Path::new();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = path.file("mode = \"0600\"\n");
    let mut server = start(&file);
    let line = server.says("listening on ");
    assert!(line.contains(path.0.to_str().unwrap()), "{line}");
    let mode = fs::metadata(&path.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut client = path.connect();
    let mut said = b"\x05\x01\x00".to_vec();
    said.extend(connect_request(target.local_addr().unwrap()));
    said.extend(b"ping");
    client.write_all(&said).unwrap();
    let mut heard = [0; 12];
    client.read_exact(&mut heard).unwrap();
    assert_eq!((heard[1], heard[3]), (0, 0));
    let mut accepted = target.accept().unwrap().0;
    let mut ping = [0; 4];
    accepted.read_exact(&mut ping).unwrap();
    assert_eq!(&ping, b"ping");

    // Nobody can connect once it drains, and nothing is left of it.
    server.signal(Signal::TERM);
    server.says("stopping");
    drop((client, accepted));
    assert!(server.ends().success());
    assert!(!path.0.exists());
}

#[test]
fn what_a_server_that_was_killed_has_left_is_taken_over() {
    let path = Path::new();
    let file = path.file("");
    let mut killed = start(&file);
    killed.says("listening on ");
    killed.signal(Signal::KILL);
    killed.ends();
    assert!(fs::metadata(&path.0).unwrap().file_type().is_socket());

    let mut server = start(&file);
    server.says("listening on ");
    let mut selection = [0; 2];
    let mut client = path.connect();
    client.write_all(b"\x05\x01\x00").unwrap();
    client.read_exact(&mut selection).unwrap();
    assert_eq!(selection, [5, 0]);

    // By one that serves it is not.
    let said = complaint(&["--config", file.path()]);
    assert!(said.contains("another server listens there"), "{said}");
    path.connect();
}

/// The system would have a client wait there.
#[test]
fn a_server_that_accepts_nobody_holds_nothing_up() {
    let path = Path::new();
    let hangs = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    hangs.bind(&SockAddr::unix(&path.0).unwrap()).unwrap();
    hangs.listen(0).unwrap();
    let client = || {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let connected = client.connect(&SockAddr::unix(&path.0).unwrap());
        connected.ok().map(|()| client)
    };
    let queue: Vec<_> = std::iter::from_fn(client).take(100).collect();
    assert!((1..100).contains(&queue.len()));

    let file = path.file("");
    let (said, says) = mpsc::channel();
    std::thread::spawn(move || said.send(complaint(&["--config", file.path()])));
    let said = says.recv_timeout(Duration::from_secs(20));
    // It would wait for ever otherwise, and so would the thread.
    drop((queue, hangs));
    let said = said.unwrap();
    assert!(said.contains("another server listens there"), "{said}");
    assert!(fs::metadata(&path.0).unwrap().file_type().is_socket());
}

#[test]
fn what_is_no_socket_of_ours_stays() {
    let path = Path::new();
    let file = path.file("");
    fs::write(&path.0, "precious").unwrap();
    let said = complaint(&["--config", file.path()]);
    assert!(said.contains("no socket"), "{said}");
    assert_eq!(fs::read_to_string(&path.0).unwrap(), "precious");

    // And what somebody has put in the place of ours.
    fs::remove_file(&path.0).unwrap();
    let mut server = start(&file);
    server.says("listening on ");
    fs::remove_file(&path.0).unwrap();
    let other = UnixListener::bind(&path.0).unwrap();
    server.signal(Signal::TERM);
    assert!(server.ends().success());
    drop(path.connect());
    drop(other);
}

#[test]
fn all_listeners_share_a_limit() {
    let path = Path::new();
    let file = path.file("[limits]\nsessions = 2\nsessions_per_client = 2\n");
    let mut server = start(&file);
    server.says("listening on ");
    let mut held = server.connect();
    assert_eq!(exchange(&mut held, b"\x05\x01\x00", 2), [5, 0]);
    let greet = |client: &mut UnixStream| {
        let mut selection = [0; 2];
        client.write_all(b"\x05\x01\x00").unwrap();
        client.read_exact(&mut selection).map(|()| selection)
    };
    let mut last = path.connect();
    assert_eq!(greet(&mut last).unwrap(), [5, 0]);
    // Waits for a place, which the first one leaves at the other listener.
    let mut waits = path.connect();
    waits.write_all(b"\x05\x01\x00").unwrap();
    drop(held);
    let mut selection = [0; 2];
    waits.read_exact(&mut selection).unwrap();
    assert_eq!(selection, [5, 0]);
}

#[test]
fn check_lists_all_of_them() {
    let path = Path::new();
    let file = path.file("");
    let check = ["--config", file.path(), "--check"];
    let checked = Command::new(program()).args(check).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{said}");
    assert!(said.contains("127.0.0.1:0"), "{said}");
    assert!(said.contains(path.0.to_str().unwrap()), "{said}");
    assert!(!path.0.exists());
}

/// What is not stated for a Unix socket it does not have; a header it can ask for.
#[test]
fn a_unix_socket_can_be_behind_a_balancer() {
    let path = Path::new();
    let file = path.file("proxy_protocol = true\n");
    let said = complaint(&["--config", file.path(), "--check"]);
    assert!(said.contains("anyone could use a proxy on"), "{said}");
    let file = File::new(&format!(
        "open = true\n{}",
        fs::read_to_string(&file.0).unwrap()
    ));
    let mut server = start(&file);
    server.says("listening on ");
    let mut client = path.connect();
    let header = b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 1080\r\n\x05\x01\x00";
    client.write_all(header).unwrap();
    let mut selection = [0; 2];
    client.read_exact(&mut selection).unwrap();
    assert_eq!(selection, [5, 0]);
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = connect_request(target.local_addr().unwrap());
    client.write_all(&request).unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    drop((client, target));
    server.says("peer=198.51.100.7:4711");
}
