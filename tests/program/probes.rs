//! Health checks of a port of the example server, and what they leave behind.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use rustix::{net::sockopt::set_socket_linger, process::Signal};

use crate::{
    status::status,
    support::program::{Server, certificates::Authority, file::File, http::get},
};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// A health check by octets: connects, says something, hears something, and closes or resets.
fn probe(server: SocketAddr, say: &[u8], hear: &[u8], resets: bool) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(say).unwrap();
    let mut heard = vec![0; hear.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, hear);
    if resets {
        set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
}

/// Neither at a listener in clear, nor at one in TLS, nor at one behind load balancers.
#[test]
fn health_checks_leave_no_line_and_no_failure() {
    let (certificate, key) = Authority::new().signs("").files();
    let doors = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\ntls = {{ certificate = \"{}\", key = \"{}\" }}\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = {{ from = [\"127.0.0.0/8\"] }}\n",
        certificate.path(),
        key.path(),
    );
    for (users, greeting, selection) in [
        ("open = true\n", &b"\x05\x01\x00"[..], b"\x05\x00"),
        (
            "open = true\n[users]\njoe = \"secret\"\n",
            b"\x05\x01\x02",
            b"\x05\x02",
        ),
        (
            "open = true\n[users]\njoe = \"secret\"\n",
            b"\x05\x02\x00\x02",
            b"\x05\x02",
        ),
    ] {
        let (open, users) = users.split_at("open = true\n".len());
        let file = File::new(&format!("{open}{doors}{METRICS}{users}"));
        let mut server = Server::start(&["--config", file.path()], "info");
        let secured = Server::listening(&mut server.log);
        let balanced = Server::listening(&mut server.log);
        let metrics = status(&mut server);
        let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
        for resets in [false, true] {
            for server in [server.address, secured, balanced] {
                probe(server, b"", b"", resets);
            }
            probe(server.address, greeting, selection, resets);
            probe(balanced, header, b"", resets);
            probe(balanced, b"PROXY UNKNOWN\r\n", b"", resets);
            probe(balanced, &[header, greeting].concat(), selection, resets);
        }
        let started = Instant::now();
        let numbers = loop {
            let (_, numbers) = get(metrics, "/metrics");
            // Those with a PROXY header of a client, and those at the two others.
            if numbers.contains("socks_sessions_open 0\n") && sessions(&numbers) >= 8 {
                break numbers;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{numbers}");
            thread::sleep(Duration::from_millis(10));
        };
        // All that can be counted is there from the start.
        for line in numbers.lines().filter(|line| !line.ends_with(" 0")) {
            let is_failure = line.starts_with("socks_authentication_failures_total")
                || line.starts_with("socks_refusals_total")
                || line.starts_with("socks_foreign_connections_total")
                || line.starts_with("socks_limit_events_total")
                || line.starts_with("socks_requests_total");
            assert!(!is_failure, "{line}");
            if line.starts_with("socks_sessions_total") {
                assert!(
                    line.starts_with("socks_sessions_total{outcome=\"left\"}"),
                    "{line}"
                );
            }
        }
        // Nothing between where it listens and the end.
        server.signal(Signal::TERM);
        server.silent_until("stopping", "ended");
    }
}

/// How many have ended.
fn sessions(numbers: &str) -> u64 {
    let lines = numbers.lines();
    let ended = lines.filter(|line| line.starts_with("socks_sessions_total"));
    let counts = ended.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    counts.sum()
}
