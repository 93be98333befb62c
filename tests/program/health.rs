//! `/live` and `/ready` of the example server.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    status::status,
    support::program::{
        Server, connect_request, exchange,
        file::File,
        http::{ask, get},
        program,
    },
};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
const READY: &str = "ready\n";

/// The status of a page, and its text.
fn asks(server: SocketAddr, path: &str) -> (u16, String) {
    let (head, body) = get(server, path);
    assert!(head.contains("cache-control: no-store"), "{head}");
    let status = head.split(' ').nth(1).unwrap();
    (status.parse().unwrap(), body)
}

fn is_live(server: SocketAddr) {
    assert_eq!(asks(server, "/live"), (200, "live\n".into()));
}

fn is_ready(server: SocketAddr) {
    assert_eq!(asks(server, "/ready"), (200, READY.into()));
}

fn is_not_ready(server: SocketAddr, reason: &str) {
    let (status, said) = asks(server, "/ready");
    assert_eq!((status, said), (503, format!("not ready: {reason}\n")));
}

/// Asks until `/ready` says this.
fn becomes(server: SocketAddr, status: u16, text: &str) {
    let started = Instant::now();
    loop {
        let heard = asks(server, "/ready");
        if heard.0 == status && heard.1.contains(text) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{heard:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A tunnel, and its other end.
fn tunnel(server: &Server) -> (TcpStream, TcpStream) {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = server.connect();
    let said = [
        b"\x05\x01\x00",
        &connect_request(target.local_addr().unwrap())[..],
    ];
    assert_eq!(
        exchange(&mut client, &said.concat(), 12)[..4],
        *b"\x05\x00\x05\x00"
    );
    (client, target.accept().unwrap().0)
}

#[test]
fn load_balancers_get_what_they_ask_for() {
    let file = File::new(METRICS);
    let mut server = file.server();
    let metrics = status(&mut server);
    is_live(metrics);
    is_ready(metrics);
    for (request, code, text) in [
        // HAProxy's `option httpchk GET /ready`.
        ("GET /ready HTTP/1.0", "200", READY),
        // Kubernetes' probes, by the address of a pod.
        (
            "GET /ready HTTP/1.1\r\nHost: 10.0.0.7:9100\r\nUser-Agent: kube-probe/1.34\r\nAccept: */*",
            "200",
            READY,
        ),
        ("GET /live HTTP/1.1\r\nHost: proxy.example", "200", "live\n"),
        ("GET /ready?full HTTP/1.1\r\nHost: proxy", "200", READY),
        ("HEAD /ready HTTP/1.1\r\nHost: proxy", "200", ""),
        ("HEAD /live HTTP/1.1\r\nHost: proxy", "200", ""),
        ("OPTIONS /ready HTTP/1.0", "405", "only GET is known here\n"),
        (
            "POST /ready HTTP/1.1\r\nHost: proxy",
            "405",
            "only GET is known here\n",
        ),
        (
            "GET /ready/ HTTP/1.1\r\nHost: proxy",
            "404",
            "there are /, /metrics, /live and /ready\n",
        ),
    ] {
        let (head, body) = ask(metrics, &format!("{request}\r\nConnection: close\r\n\r\n"));
        assert_eq!(head.split(' ').nth(1).unwrap(), code, "{request}: {head}");
        assert_eq!(body, text, "{request}");
    }
}

#[test]
fn a_server_that_drains_is_live_and_not_ready() {
    let file = File::new(METRICS);
    let mut server = file.server();
    let metrics = status(&mut server);
    let held = tunnel(&server);
    server.signal(Signal::TERM);
    server.says("stopping; sessions have 30s to end");
    becomes(metrics, 503, "the server is stopping");
    is_live(metrics);
    drop(held);
    assert_eq!(server.ends().code(), Some(0));
}

#[test]
fn with_a_delay_clients_are_served_until_load_balancers_know() {
    let delayed = |delay: &str| {
        let file = File::new(&format!("{METRICS}[timeouts]\ndrain_delay = \"{delay}\"\n"));
        (file.server(), file)
    };
    let (mut server, _file) = delayed("1h");
    let metrics = status(&mut server);
    is_ready(metrics);
    server.signal(Signal::TERM);
    server.says("stopping in 3600s; sessions have 30s to end then");
    becomes(metrics, 503, "the server is stopping");
    is_live(metrics);
    // Who has not heard of it is served as ever.
    let (mut client, mut target) = tunnel(&server);
    target.write_all(b"ever").unwrap();
    assert_eq!(exchange(&mut client, b"", 4), b"ever");
    // The second signal waits for nobody.
    server.signal(Signal::INT);
    assert_eq!(server.ends().code(), Some(1));

    let (mut server, _file) = delayed("100ms");
    let metrics = status(&mut server);
    let held = tunnel(&server);
    server.signal(Signal::INT);
    server.says("stopping in 100ms");
    server.says("no clients are accepted any more");
    let started = Instant::now();
    while TcpStream::connect(server.address).is_ok() {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    is_not_ready(metrics, "the server is stopping");
    drop(held);
    assert_eq!(server.ends().code(), Some(0));
}

/// With 96 of them, and 16 for what has to go on.
#[test]
fn a_server_without_descriptors_is_not_ready_until_it_has_some() {
    let file = File::new(METRICS);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 96 && exec \"$0\" \"$@\""])
        .arg(program())
        .args(["--listen", "127.0.0.1:0", "--config", file.path()])
        .env("RUST_LOG", "info");
    let mut server = Server::spawn(&mut command);
    let metrics = status(&mut server);
    is_ready(metrics);
    for _ in 0..2 {
        let clients: Vec<_> = (0..70).map(|_| server.connect()).collect();
        becomes(metrics, 503, "not ready: descriptors are nearly gone");
        is_live(metrics);
        drop(clients);
        becomes(metrics, 200, READY);
    }
}

/// A pipe holds 64 KiB, and the lines of a thousand clients at this level are more than that.
#[test]
fn a_server_whose_log_nobody_reads_is_not_ready_until_somebody_does() {
    let file = File::new(METRICS);
    let flags = ["--listen", "127.0.0.1:0", "--config", file.path()];
    let mut server = Server::start(&flags, "tower_socks=debug,server=info");
    let metrics = status(&mut server);
    let mut number = 0;
    let started = Instant::now();
    while asks(metrics, "/ready").0 == 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "{number}");
        if number < 1000 {
            for _ in 0..100 {
                drop(server.connect());
            }
            number += 100;
        } else {
            thread::sleep(Duration::from_millis(20));
        }
    }
    is_not_ready(metrics, "the log is stuck: nobody reads standard error");
    is_live(metrics);
    assert!(started.elapsed() >= Duration::from_secs(5));
    // Somebody does.
    thread::scope(|scope| {
        let (log, process) = (&mut server.log, &mut server.process);
        scope.spawn(move || while log.read_line(&mut String::new()).is_ok_and(|read| read > 0) {});
        becomes(metrics, 200, READY);
        process.kill().unwrap();
    });
}

/// By a named pipe, whose readers come and go.
#[test]
fn a_server_whose_log_cannot_be_written_is_not_ready_until_it_can() {
    let file = File::new(METRICS);
    let pipe = File::new("");
    std::fs::remove_file(&pipe.0).unwrap();
    let made = Command::new("mkfifo").arg(&pipe.0).status().unwrap();
    assert!(made.success());
    let path = pipe.0.clone();
    // Each waits for the other one.
    let opened = thread::spawn(move || std::fs::File::open(path).unwrap());
    let write = OpenOptions::new().write(true).open(&pipe.0).unwrap();
    let mut log = BufReader::new(opened.join().unwrap());
    let mut process = Command::new(program())
        .args(["--listen", "127.0.0.1:0", "--config", file.path()])
        .env("RUST_LOG", "tower_socks=debug,server=info,log=warn")
        .stderr(Stdio::from(write))
        .spawn()
        .unwrap();
    let address = Server::listening(&mut log);
    let mut line = String::new();
    while !line.contains("metrics at http://") {
        line.clear();
        log.read_line(&mut line).unwrap();
    }
    let (_, metrics) = line.trim_end().split_once("http://").unwrap();
    let metrics: SocketAddr = metrics.trim_end_matches('/').parse().unwrap();
    is_ready(metrics);

    drop(log);
    drop(TcpStream::connect(address).unwrap());
    becomes(metrics, 503, "the log cannot be written to standard error");
    is_live(metrics);
    // It tries again by itself, and says what is lost.
    let mut log = BufReader::new(std::fs::File::open(&pipe.0).unwrap());
    line.clear();
    log.read_line(&mut line).unwrap();
    assert!(
        line.contains("lines dropped: standard error is full"),
        "{line}"
    );
    let (_, dropped) = line.trim_end().split_once("dropped=").unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 0, "{line}");
    becomes(metrics, 200, READY);
    process.kill().unwrap();
    process.wait().unwrap();
}
