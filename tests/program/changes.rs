//! SIGHUP with other settings: another stack, listeners that come and go, and nobody who notices.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{
    program::{Server, connect_request, exchange, file::File},
    udp::quiet_port,
};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// Without the server's own addresses.
const LOOPBACK: &str =
    "[acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"allow\"\nto = \"127.0.0.0/8\"\n";

/// A target that sends back what it gets, for ever.
pub(crate) fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 64];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..read]).unwrap();
                }
            });
        }
    });
    address
}

/// A tunnel through the listener at `proxy`.
fn tunnel(proxy: SocketAddr, target: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(proxy).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    exchange(&mut client, b"\x05\x01\x00", 2);
    assert_eq!(exchange(&mut client, &connect_request(target), 10)[1], 0);
    assert_goes_on(&mut client);
    client
}

fn assert_goes_on(client: &mut TcpStream) {
    assert_eq!(exchange(client, b"hello", 5), b"hello");
}

/// Waits until nobody listens there any more: what listened is closed by tasks of their own.
pub(crate) fn until_refused(address: SocketAddr) {
    for _ in 0..2000 {
        if TcpStream::connect(address).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{address} still accepts connections");
}

fn reload(server: &mut Server, file: &File, text: &str) {
    file.write(text);
    server.signal(Signal::HUP);
    server.says("reloaded");
}

/// A server that listens where its file says.
fn start(file: &File) -> Server {
    Server::start(&["--config", file.path()], "info")
}

#[test]
fn a_listener_comes_and_goes_and_its_sessions_go_on() {
    let (port, other) = (quiet_port(), quiet_port());
    let one = format!("listen = \"127.0.0.1:{port}\"\n{OPEN}");
    let both = format!("listen = [\"127.0.0.1:{port}\", \"127.0.0.1:{other}\"]\n{OPEN}");
    let file = File::new(&one);
    let mut server = start(&file);
    let target = echo();
    let mut before = tunnel(server.address, target);
    file.write(&both);
    server.signal(Signal::HUP);
    server.says(&format!("listening on 127.0.0.1:{other}"));
    server.says("reloaded");
    let other = SocketAddr::from(([127, 0, 0, 1], other));
    let mut at_other = tunnel(other, target);
    assert_goes_on(&mut before);

    file.write(&one);
    server.signal(Signal::HUP);
    let line = server.says("no longer listening on");
    assert!(line.contains(&other.to_string()), "{line}");
    server.says("reloaded");
    until_refused(other);
    assert_goes_on(&mut at_other);
    assert_goes_on(&mut before);
    // They end with the server, within its drain.
    server.signal(Signal::TERM);
    server.says("stopping");
    assert_goes_on(&mut at_other);
    drop((before, at_other));
    assert!(server.ends().success());
}

#[test]
fn a_listener_that_cannot_be_opened_changes_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    let port = quiet_port();
    let file = File::new(&format!("listen = \"127.0.0.1:{port}\"\n{OPEN}"));
    let mut server = start(&file);
    let at = taken.1;
    file.write(&format!(
        "listen = \"{at}\"\nprotocols = [\"http\"]\n{OPEN}"
    ));
    server.signal(Signal::HUP);
    let line = server.says("kept what was in force");
    assert!(line.contains(&format!("cannot listen on {at}")), "{line}");
    drop(tunnel(server.address, echo()));
    // From all addresses to one of them there is a moment without a listener: said, not done.
    file.write(&format!("listen = \"0.0.0.0:{port}\"\nopen = true\n{OPEN}"));
    server.signal(Signal::HUP);
    let line = server.says("kept what was in force");
    assert!(line.contains("takes a restart"), "{line}");
    drop(tunnel(server.address, echo()));
}

#[test]
fn protocols_change_for_who_comes_then() {
    let file = File::new(OPEN);
    let mut server = file.server();
    let mut before = tunnel(server.address, echo());
    reload(
        &mut server,
        &file,
        &format!("protocols = [\"http\"]\n{OPEN}"),
    );
    let mut refused = server.connect();
    refused.write_all(b"\x05\x01\x00").unwrap();
    let mut selected = [0; 2];
    _ = refused.read(&mut selected);
    assert_ne!(selected, [5, 0]);
    assert_goes_on(&mut before);
}

#[test]
fn a_unix_socket_goes_with_its_table() {
    let path =
        std::env::temp_dir().join(format!("tower-socks-changes-{}.sock", std::process::id()));
    let port = quiet_port();
    let tcp = format!("[[listen]]\naddress = \"127.0.0.1:{port}\"\n");
    let unix = format!("[[listen]]\npath = \"{}\"\n", path.display());
    let file = File::new(&format!("{OPEN}{tcp}"));
    let mut server = start(&file);
    file.write(&format!("{OPEN}{tcp}{unix}"));
    server.signal(Signal::HUP);
    server.says("reloaded");
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"\x05\x01\x00").unwrap();
    let mut selected = [0; 2];
    client.read_exact(&mut selected).unwrap();
    assert_eq!(selected, [5, 0]);
    // Twice the same: it stays what it is.
    reload(&mut server, &file, &format!("{OPEN}{tcp}{unix}"));
    assert!(UnixStream::connect(&path).is_ok());
    reload(&mut server, &file, &format!("{OPEN}{tcp}"));
    assert!(!path.exists());
}

#[test]
fn time_limits_and_metrics_change() {
    let metrics = quiet_port();
    let file = File::new(LOOPBACK);
    let mut server = file.strict_server();
    let mut before = tunnel(server.address, echo());
    let table = format!("[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n");
    let metrics = SocketAddr::from(([127, 0, 0, 1], metrics));
    file.write(&format!(
        "{LOOPBACK}[timeouts]\nhandshake = \"100ms\"\n{table}"
    ));
    server.signal(Signal::HUP);
    server.says("metrics at http://");
    server.says("reloaded");
    assert!(TcpStream::connect(metrics).is_ok());
    // A client that says nothing has as long as the file says now.
    assert!(matches!(server.connect().read(&mut [0]), Ok(0) | Err(_)));
    // They cannot be reached through the proxy.
    reload(&mut server, &file, &format!("{LOOPBACK}{table}"));
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    assert_eq!(exchange(&mut client, &connect_request(metrics), 10)[1], 2);
    reload(&mut server, &file, LOOPBACK);
    until_refused(metrics);
    assert_goes_on(&mut before);
}

#[test]
fn nobody_is_refused_while_it_reloads() {
    let texts = [
        OPEN.to_owned(),
        format!("{OPEN}[timeouts]\nidle = \"1h\"\n"),
        format!("protocols = [\"socks5\"]\n{OPEN}"),
    ];
    let file = File::new(OPEN);
    let mut server = file.server();
    let (proxy, target) = (server.address, echo());
    let mut open: Vec<_> = (0..8).map(|_| tunnel(proxy, target)).collect();
    let (done, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop(tunnel(proxy, target));
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for text in texts.iter().cycle().take(12) {
            reload(&mut server, &file, text);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(opened.into_inner() > 0);
    for client in &mut open {
        assert_goes_on(client);
    }
}

#[test]
fn what_takes_a_restart_is_named_and_nothing_else() {
    let file = File::new(OPEN);
    let mut server = file.server();
    file.write(&format!(
        "{OPEN}[logins]\nfree_failures = 1\nhashes_at_once = 1\n[replies]\nbound = false\n"
    ));
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "restart only");
    file.write(&format!("{OPEN}[log]\nformat = \"json\"\n"));
    server.signal(Signal::HUP);
    let line = server.says("restart only");
    assert!(line.trim_end().ends_with("only: format of log"), "{line}");
    file.write(&format!(
        "{OPEN}[logins]\nremember = \"1m\"\nremember_wrong = \"1s\"\n"
    ));
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "restart only");
}

/// The task that listens ends soon.
fn is_closed(at: SocketAddr) {
    let started = Instant::now();
    while TcpStream::connect(at).is_ok() {
        assert!(started.elapsed() < Duration::from_secs(20), "{at} is open");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_script_of_browsers_moves() {
    let script =
        |port: u16| format!("{OPEN}[pac]\nhost = \"127.0.0.1\"\nlisten = \"127.0.0.1:{port}\"\n");
    let file = File::new(&script(0));
    let mut server = file.server();
    let line = server.says("pac at http://");
    let (_, at) = line.split_once("http://").unwrap();
    let first = at.split_once('/').unwrap().0.parse().unwrap();
    let gets = |at: SocketAddr| {
        let mut stream = TcpStream::connect(at)?;
        stream.write_all(
            b"GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer.contains("FindProxyForURL"))
    };
    assert!(gets(first).unwrap());
    let free: SocketAddr = ([127, 0, 0, 1], quiet_port()).into();
    file.write(&script(free.port()));
    server.signal(Signal::HUP);
    assert!(server.says("pac at http://").contains(&free.to_string()));
    assert!(gets(free).unwrap());
    is_closed(first);
    file.write(OPEN);
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "restart only");
    is_closed(free);
}
