//! Datagrams in streams through the example server, octet by octet.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::program::{
    Server,
    carried::{Carrier, echo},
    certificates::Authority,
    exchange,
    file::File,
    http::get,
};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

const FLAGS: [&str; 3] = ["--listen", "127.0.0.1:0", "--allow-private"];

#[test]
fn datagrams_travel_in_the_stream_of_each_protocol() {
    let target = echo();
    let mut server = Server::start(&FLAGS, "info");
    for carrier in Carrier::ALL {
        drop(carrier.exchanges_by_socks5(&server, target));
        let line = server.says("session ended");
        assert!(line.contains("outcome=done up=1004 down=1004"), "{line}");
        if carrier == Carrier::ForwardUdp {
            continue;
        }
        let name = carrier.name();
        let request = format!("CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n");
        let reply = "HTTP/1.1 200 OK\r\n\r\n";
        let mut http = server.connect();
        let heard = carrier.exchanges(&mut http, request.as_bytes(), reply.len(), target);
        assert_eq!(heard, reply.as_bytes());
        let request = [b"\x04\x01\0\0\0\0\0\x01\0", name.as_bytes(), &[0]].concat();
        let mut socks4 = server.connect();
        let heard = carrier.exchanges(&mut socks4, &request, 8, target);
        assert_eq!(heard[..2], [0, 0x5a]);
        drop((http, socks4));
        server.says_all(["protocol=http", "protocol=socks4"]);
    }
}

/// Datagrams of UDP ASSOCIATE would be outside.
#[test]
fn datagrams_travel_inside_tls() {
    let target = echo();
    let authority = Authority::new();
    let (certificate, key) = authority.signs("").files();
    let tls = [
        "--tls-certificate",
        certificate.path(),
        "--tls-key",
        key.path(),
    ];
    let server = Server::start(&[&FLAGS[..], &tls].concat(), "info");
    let request = [b"\x05\x01\x00", &Carrier::V2.socks5()[..]].concat();
    let mut stream = authority.connect(&server, None);
    let heard = Carrier::V2.exchanges(&mut stream, &request, 12, target);
    assert_eq!(heard[..4], [5, 0, 5, 0]);
}

/// Each destination is judged, and a refused one costs its own datagrams alone.
#[test]
fn rules_are_asked_about_each_destination() {
    let (target, refused) = (echo(), UdpSocket::bind("127.0.0.1:0").unwrap());
    refused.set_nonblocking(true).unwrap();
    let port = target.port();
    let rules = format!(
        "[acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"allow\"\ncommand = \"udp\"\nto = \"127.0.0.1\"\n\
         port = {port}\n"
    );
    let server = File::new(&rules).strict_server();
    let v2 = Carrier::V2;
    let mut stream = v2.exchanges_by_socks5(&server, target);
    let elsewhere = v2.frame(refused.local_addr().unwrap(), b"no");
    let echoed = v2.frame(target, b"yes");
    stream
        .write_all(&[elsewhere, echoed.clone()].concat())
        .unwrap();
    let mut heard = vec![0; echoed.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, echoed);
    assert!(refused.recv_from(&mut [0; 8]).is_err());
}

#[test]
fn associations_of_both_kinds_are_counted_together() {
    let limits = "[limits]\nassociations_per_user = 1\n";
    let server = File::new(&format!("{limits}{OPEN}")).server();
    let open = Carrier::V2.exchanges_by_socks5(&server, echo());
    let associate = b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00";
    for request in [
        &associate[..],
        &Carrier::V1.socks5(),
        &Carrier::ForwardUdp.socks5(),
    ] {
        let mut client = server.connect();
        assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
        assert_eq!(exchange(&mut client, request, 2), [5, 2]);
    }
    drop(open);
}

#[test]
fn an_idle_one_ends() {
    let timeouts = "[timeouts]\nudp_idle = \"1s\"\n";
    let server = File::new(&format!("{timeouts}{OPEN}")).server();
    let mut stream = Carrier::V1.exchanges_by_socks5(&server, echo());
    // That is within the read timeout of the stream.
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}

/// What a client does not read is dropped beyond the limit, and counted.
#[test]
fn a_client_that_does_not_read_loses_datagrams() {
    let file =
        "[metrics]\nlisten = \"127.0.0.1:0\"\n[limits]\nbacklog_bytes_per_association = 1000\n";
    let mut server = File::new(&format!("{file}{OPEN}")).server();
    let line = server.says("metrics at http://");
    let (_, address) = line.trim_end().split_once("http://").unwrap();
    let status: SocketAddr = address.trim_end_matches('/').parse().unwrap();

    let target = echo();
    let mut stream = Carrier::V2.exchanges_by_socks5(&server, target);
    stream.set_nonblocking(true).unwrap();
    let frame = Carrier::V2.frame(target, &[7; 60_000]);
    let dropped = "socks_datagrams_dropped_total{reason=\"overflow\"}";
    let started = Instant::now();
    let mut unsent = Vec::new();
    while !get(status, "/metrics").1.contains(dropped) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "none is dropped"
        );
        for _ in 0..20 {
            if unsent.is_empty() {
                unsent.clone_from(&frame);
            }
            match stream.write(&unsent) {
                Ok(taken) => drop(unsent.drain(..taken)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }
    // The others get through, and none is cut.
    let v2 = Carrier::V2;
    v2.exchanges_by_socks5(&server, target);
}

#[test]
fn who_is_connected_says_that_datagrams_travel_in_tcp() {
    let mut server = Server::start(&FLAGS, "info");
    let stream = Carrier::V1.exchanges_by_socks5(&server, echo());
    server.signal(Signal::USR1);
    let line = server.says("command=");
    assert!(
        line.contains("command=UDP ASSOCIATE over TCP target=0.0.0.0:0"),
        "{line}"
    );
    drop(stream);
}

#[test]
fn a_reload_closes_what_is_refused_now_and_judges_datagrams_anew() {
    let (target, kept) = (echo(), echo());
    let file = File::new(OPEN);
    let mut server = file.server();
    let v2 = Carrier::V2;
    let mut stream = v2.exchanges_by_socks5(&server, target);
    let deny = "[[acl.rules]]\naction = \"deny\"\ncommand = \"udp\"\n";
    file.write(&format!("{OPEN}{deny}port = {}\n", target.port()));
    server.signal(Signal::HUP);
    server.says("reloaded");
    // The association goes on, and that destination is refused.
    let echoed = v2.frame(kept, b"yes");
    let both = [v2.frame(target, b"no"), echoed.clone()].concat();
    stream.write_all(&both).unwrap();
    let mut heard = vec![0; echoed.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, echoed);

    file.write(&format!("{OPEN}{deny}"));
    server.signal(Signal::HUP);
    server.says_all(["reloaded", "outcome=refused"]);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_reload_switches_it() {
    let file = File::new(OPEN);
    let mut server = file.server();
    let target = echo();
    let stream = Carrier::V2.exchanges_by_socks5(&server, target);
    file.write(&format!("udp_over_tcp = false\n{OPEN}"));
    server.signal(Signal::HUP);
    server.says("reloaded");
    let mut after = server.connect();
    exchange(&mut after, b"\x05\x01\x00", 2);
    let reply = exchange(&mut after, &Carrier::V2.socks5(), 2);
    assert_eq!(reply, b"\x05\x07");
    // What is open goes on.
    let mut stream = stream;
    let frame = Carrier::V2.frame(target, b"on");
    stream.write_all(&frame).unwrap();
    let mut heard = vec![0; frame.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, frame);
}
