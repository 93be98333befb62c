//! The example server's address for numbers, and its page.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use serde_json::Value;

use crate::support::program::{
    Server, complaint, connect_request, exchange,
    file::File,
    http::{ask, get},
};

/// Where the numbers are, as the log says.
pub(crate) fn status(server: &mut Server) -> SocketAddr {
    let line = server.says("metrics at http://");
    let (_, address) = line.trim_end().split_once("http://").unwrap();
    address.trim_end_matches('/').parse().unwrap()
}

#[test]
fn numbers_and_who_is_connected() {
    let file = File::new(
        "[metrics]\nlisten = \"127.0.0.1:0\"\n[acl]\ndefault = \"allow\"\n\
         [[acl.rules]]\nname = \"no mail\"\naction = \"deny\"\nport = 25\n",
    );
    let mut server = file.server();
    let status = status(&mut server);
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();

    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    let reply = exchange(&mut client, &connect_request(address), 10);
    assert_eq!(reply[1], 0);
    let (mut accepted, _) = target.accept().unwrap();
    client.write_all(b"four").unwrap();
    let mut heard = [0; 4];
    accepted.read_exact(&mut heard).unwrap();
    accepted.write_all(b"sixsix").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    let mut refused = server.connect();
    exchange(&mut refused, b"\x05\x01\x00", 2);
    let mail: SocketAddr = "192.0.2.1:25".parse().unwrap();
    assert_eq!(exchange(&mut refused, &connect_request(mail), 10)[1], 2);

    let (head, body) = get(status, "/status.json");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let seen: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&seen["open"], &seen["opened"]), (&1.into(), &1.into()));
    assert_eq!((&seen["up"], &seen["down"]), (&4.into(), &6.into()));
    let tunnel = &seen["tunnels"][0];
    assert_eq!(tunnel["target"], address.to_string());
    assert_eq!(tunnel["client"], client.local_addr().unwrap().to_string());
    assert_eq!(
        (&tunnel["up"], &tunnel["down"]),
        (&4.into(), &6.into()),
        "{tunnel}"
    );

    let (head, numbers) = get(status, "/metrics");
    assert!(head.contains("content-type: text/plain"), "{head}");
    for line in [
        "socks_refusals_total{reason=\"rule 1 (no mail)\"} 1\n",
        "socks_tunnels_open{command=\"connect\"} 1\n",
        "socks_requests_total{command=\"connect\",reply_code=\"0\"} 1\n",
        "socks_requests_total{command=\"connect\",reply_code=\"2\"} 1\n",
        "socks_bytes_total{direction=\"down\",transport=\"tcp\"} 6\n",
        "socks_dial_seconds_bucket{command=\"connect\",le=\"30\"} 2\n",
        "# TYPE socks_sessions_open gauge\n",
        "socks_sessions_limit 10000\n",
    ] {
        assert!(numbers.contains(line), "{line} in {numbers}");
    }

    let (head, page) = get(status, "/");
    assert!(head.contains("content-type: text/html"), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(page.contains("<title>SOCKS5 server</title>"), "{page}");
}

/// Others hold connections open, ask for half of something, or read nothing of what they asked for.
#[test]
fn slow_and_idle_scrapers_keep_nobody_from_the_numbers() {
    let file = File::new("[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let mut server = file.server();
    let status = status(&mut server);
    let mut held = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(status).unwrap();
        let said = ["", "GET /met", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"][number % 3];
        stream.write_all(said.as_bytes()).unwrap();
        held.push(stream);
    }
    let asked = Instant::now();
    for _ in 0..5 {
        assert!(get(status, "/metrics").0.starts_with("HTTP/1.1 200"));
    }
    // Before any limit in time has passed.
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn series_of_rules_that_are_gone_leave_the_numbers() {
    let with_rule = |rule: &str| {
        format!(
            "[metrics]\nlisten = \"127.0.0.1:0\"\n[acl]\ndefault = \"allow\"\n\
             [[acl.rules]]\n{rule}action = \"deny\"\nport = 25\n"
        )
    };
    let file = File::new(&with_rule("name = 'no \"mail\"'\n"));
    let mut server = file.server();
    let status = status(&mut server);
    let refuse = |server: &Server| {
        let mut refused = server.connect();
        exchange(&mut refused, b"\x05\x01\x00", 2);
        let mail: SocketAddr = "192.0.2.1:25".parse().unwrap();
        assert_eq!(exchange(&mut refused, &connect_request(mail), 10)[1], 2);
    };
    let series = || {
        let (_, numbers) = get(status, "/metrics");
        let lines = numbers.lines();
        let lines = lines.filter(|line| line.starts_with("socks_refusals_total{reason=\"rule"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    refuse(&server);
    let first = "socks_refusals_total{reason=\"rule 1 (no \\\"mail\\\")\"} 1";
    assert_eq!(series(), [first]);

    file.write(&with_rule(""));
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert_eq!(series(), ["socks_refusals_total{reason=\"rule 1\"} 0"]);
    refuse(&server);
    assert_eq!(series(), ["socks_refusals_total{reason=\"rule 1\"} 1"]);
}

#[test]
fn nothing_else_is_answered() {
    let file = File::new("[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let mut server = file.server();
    let status = status(&mut server);
    for (request, answer) in [
        ("GET /etc/passwd HTTP/1.1\r\nHost: localhost", "404"),
        ("POST / HTTP/1.1\r\nHost: localhost", "405"),
        (
            "DELETE /status.json HTTP/1.1\r\nHost: 127.0.0.1:9100",
            "405",
        ),
        // A name of somebody else's that leads here.
        ("GET / HTTP/1.1\r\nHost: evil.example:9100", "421"),
        (
            "GET /status.json HTTP/1.1\r\nHost: localhost.evil.example",
            "421",
        ),
        ("GET /status.json HTTP/1.0", "421"),
        ("GET / HTTP/1.1\r\nHost: localhost:9100", "200"),
        ("GET / HTTP/1.1\r\nHost: [::1]:9100", "200"),
        ("GET /metrics HTTP/1.1\r\nHost: proxy.example:9100", "200"),
        ("garbage", "400"),
    ] {
        let whole = format!("{request}\r\nConnection: close\r\n\r\n");
        let (head, _) = ask(status, &whole);
        let code = head.split(' ').nth(1).unwrap();
        assert_eq!(code, answer, "{request}: {head}");
    }
}

#[test]
fn who_is_connected_is_for_this_machine_only() {
    let file = File::new("[metrics]\nlisten = \"0.0.0.0:0\"\n");
    let mut server = file.server();
    let port = status(&mut server).port();
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    assert!(get(local, "/metrics").0.starts_with("HTTP/1.1 200"));
    for path in ["/", "/status.json"] {
        let (head, body) = get(local, path);
        assert!(head.starts_with("HTTP/1.1 404"), "{head}");
        assert!(body.contains("dashboard = true"), "{body}");
    }
    drop(server);

    let file = File::new("[metrics]\nlisten = \"0.0.0.0:0\"\ndashboard = true\n");
    let mut server = file.server();
    let port = status(&mut server).port();
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    assert!(get(local, "/").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn mistakes_in_addresses() {
    for (text, problem) in [
        (
            "[metrics]\nlisten = \"9100\"\n",
            ":2:10: metrics, listen: 9100: expected ADDR:PORT",
        ),
        ("[metrics]\n", "metrics: missing field `listen`"),
        (
            "listen = \"localhost:1080\"\n",
            ":1:10: listen: localhost:1080: expected ADDR:PORT",
        ),
        ("listen = []\n", ":1:10: listen: nobody could connect"),
        (
            "listen = \"0.0.0.0:0\"\n",
            "anyone could use a proxy on 0.0.0.0:0",
        ),
    ] {
        let file = File::new(text);
        let said = complaint(&["--config", file.path()]);
        assert!(said.contains(problem), "{text}: {said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let file = File::new(&format!("[metrics]\nlisten = \"{taken}\"\n"));
    let said = complaint(&["--listen", "127.0.0.1:0", "--config", file.path()]);
    assert!(
        said.contains(&format!("metrics: cannot listen on {taken}")),
        "{said}"
    );
}

#[test]
fn the_file_says_where_to_listen() {
    let file = File::new("listen = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n");
    let mut server = Server::start(&["--config", file.path()], "info");
    assert!(server.address.ip().to_string() == "127.0.0.1");
    let line = server.says("listening on 127.0.0.2:");
    assert!(!line.ends_with(":0\n"), "{line}");
    // The command line goes first.
    let server = Server::start(
        &["--config", file.path(), "--listen", "127.0.0.3:0"],
        "info",
    );
    assert!(server.address.ip().to_string() == "127.0.0.3");
}
