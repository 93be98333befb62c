//! Datagrams through upstreams of the example server: `upstream_udp`.

use std::{io::Read, net::SocketAddr, process::Command};

use crate::support::program::{
    Server,
    carried::{Carrier, echo},
    certificates::Authority,
    complaint, exchange,
    file::File,
    program,
};

const FLAGS: [&str; 3] = ["--listen", "127.0.0.1:0", "--allow-private"];
const ASSOCIATE: &[u8] = b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00";

/// A server whose upstream is that.
fn through(upstream: &str, udp: &str) -> Server {
    let file = format!("upstream = {upstream}\nupstream_udp = \"{udp}\"\n");
    File::new(&file).server()
}

fn url(scheme: &str, proxy: SocketAddr) -> String {
    format!("\"{scheme}://{proxy}\"")
}

/// Clients of both kinds get there, whatever it is that carries their datagrams on.
#[test]
fn datagrams_go_through_upstreams_of_each_protocol() {
    let target = echo();
    let mut inner = Server::start(&FLAGS, "info");
    for (scheme, udp, seen) in [
        (
            "socks5h",
            "associate",
            "command=UDP ASSOCIATE target=0.0.0.0:0",
        ),
        (
            "socks5h",
            "udp-over-tcp",
            "protocol=socks5 user=- command=CONNECT target=sp.v2.udp-over-tcp.arpa:",
        ),
        (
            "socks5",
            "udp-over-tcp-v1",
            "protocol=socks5 user=- command=CONNECT target=sp.udp-over-tcp.arpa:",
        ),
        ("socks5h", "fwd-udp", "command=FWD UDP target=0.0.0.0:0"),
        (
            "http",
            "udp-over-tcp",
            "protocol=http user=- command=CONNECT target=sp.v2.udp-over-tcp.arpa:",
        ),
        (
            "socks4a",
            "udp-over-tcp",
            "protocol=socks4 user=- command=CONNECT target=sp.v2.udp-over-tcp.arpa:",
        ),
        (
            "socks4",
            "udp-over-tcp-v1",
            "protocol=socks4 user=- command=CONNECT target=sp.udp-over-tcp.arpa:",
        ),
    ] {
        let outer = through(&url(scheme, inner.address), udp);
        for carrier in Carrier::ALL {
            drop(carrier.exchanges_by_socks5(&outer, target));
            let line = inner.says(seen);
            assert!(line.contains("outcome=done up=1004 down=1004"), "{line}");
        }
    }
}

/// The proxies before the last have the line of a tunnel each.
#[test]
fn datagrams_take_the_whole_chain() {
    let target = echo();
    let (mut first, mut last) = (Server::start(&FLAGS, "info"), Server::start(&FLAGS, "info"));
    let chain = format!(
        "[{}, {}]",
        url("http", first.address),
        url("socks5h", last.address)
    );
    let outer = through(&chain, "udp-over-tcp");
    drop(Carrier::V2.exchanges_by_socks5(&outer, target));
    last.says("target=sp.v2.udp-over-tcp.arpa:");
    first.says(&format!(
        "protocol=http user=- command=CONNECT target={}",
        last.address
    ));
}

/// Rules here are asked about each destination, before it is told.
#[test]
fn what_is_refused_here_does_not_get_to_the_upstream() {
    let mut inner = Server::start(&FLAGS, "info");
    let upstream = url("http", inner.address);
    let file = File::new(&format!(
        "upstream = {upstream}\nupstream_udp = \"udp-over-tcp\"\n"
    ));
    let server = file.strict_server();
    let mut client = server.connect();
    let all = [
        b"\x05\x01\x00",
        &Carrier::V1.socks5()[..],
        &Carrier::V1.frame(echo(), b"no"),
    ]
    .concat();
    assert_eq!(exchange(&mut client, &all, 12)[3], 0);
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let line = inner.says("session ended");
    assert!(
        line.contains("protocol=http") && line.contains("up=0 down=0"),
        "{line}"
    );
}

#[test]
fn without_a_choice_there_is_no_udp_through_an_upstream() {
    let inner = Server::start(&FLAGS, "info");
    let file = File::new(&format!("upstream = {}\n", url("socks5h", inner.address)));
    let server = file.server();
    let requests = [Carrier::V1, Carrier::V2, Carrier::ForwardUdp].map(Carrier::socks5);
    for request in requests.iter().map(Vec::as_slice).chain([ASSOCIATE]) {
        let mut client = server.connect();
        assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
        assert_eq!(exchange(&mut client, request, 2), [5, 7]);
    }
}

#[test]
fn the_log_says_at_the_start_what_becomes_of_datagrams() {
    let start = |file: &str, expected: &str| {
        let file = File::new(file);
        let flags = ["--config", file.path(), "--listen", "127.0.0.1:0"];
        let mut command = Command::new(program());
        let mut process = command
            .args(flags)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let log = std::io::BufReader::new(process.stderr.take().unwrap());
        let mut lines = std::io::BufRead::lines(log).map(Result::unwrap);
        assert!(
            lines.any(|line| line.contains(expected)),
            "no line with {expected}"
        );
        process.kill().unwrap();
        process.wait().unwrap();
    };
    start(
        "upstream = \"http://127.0.0.1:9\"\n",
        "unless `upstream_udp` says how",
    );
    start(
        "upstream = \"http://127.0.0.1:9\"\nupstream_udp = \"udp-over-tcp\"\n",
        "UDP by \"udp-over-tcp\"; BIND is refused",
    );
    start(
        "upstream = \"socks5s://127.0.0.1:9\"\nupstream_udp = \"associate\"\n",
        "outside of TLS",
    );
}

#[test]
fn a_choice_that_cannot_be_is_said() {
    let socks5 = "\"socks5h://p\"";
    for (upstream, udp, expected) in [
        (
            "\"http://p\"",
            "associate",
            "is a command of SOCKS5, which http://p:80 does not speak",
        ),
        ("\"socks4a://p\"", "fwd-udp", "is a command of SOCKS5"),
        (
            &format!("[{socks5}, {socks5}]"),
            "associate",
            "not through the others",
        ),
        (socks5, "udp", "unknown variant `udp`"),
    ] {
        let file = File::new(&format!(
            "upstream = {upstream}\nupstream_udp = \"{udp}\"\n"
        ));
        let said = complaint(&["--config", file.path(), "--check"]);
        assert!(
            said.contains("upstream_udp: ") && said.contains(expected),
            "{said}"
        );
    }
    let file = File::new("upstream_udp = \"udp-over-tcp\"\n");
    let said = complaint(&["--config", file.path(), "--check"]);
    assert!(
        said.contains("upstream_udp: there is no `upstream`"),
        "{said}"
    );
}

#[test]
fn it_explains_what_becomes_of_a_datagram() {
    let explain = |upstream: &str, question: &str| {
        let file = File::new(&format!(
            "upstream = \"{upstream}\"\nupstream_udp = \"udp-over-tcp\"\n[acl]\ndefault = \"allow\"\n\
             [[acl.rules]]\naction = \"deny\"\nto = \"bad.example\"\n"
        ));
        let flags = ["--config", file.path(), "--explain", question];
        let output = Command::new(program()).args(flags).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), said)
    };
    let association = "connect sp.v2.udp-over-tcp.arpa:0";
    for (upstream, question, allowed, expected) in [
        (
            "http://127.0.0.1:9",
            association,
            true,
            "allowed by default",
        ),
        (
            "http://127.0.0.1:9",
            "udp 1.1.1.1:53",
            true,
            "allowed by default",
        ),
        (
            "http://127.0.0.1:9",
            "udp good.example:53",
            true,
            "the upstream resolves the name",
        ),
        ("http://127.0.0.1:9", "udp bad.example:53", false, "rule 1"),
        (
            "socks5://127.0.0.1:9",
            "udp good.example:53",
            false,
            "it is dropped",
        ),
    ] {
        let (is_allowed, said) = explain(upstream, question);
        assert!(
            is_allowed == allowed && said.contains(expected),
            "{question}: {said}"
        );
    }
}

/// It works for everything else, and the log is to say so.
#[test]
fn an_upstream_without_it_refuses_and_is_not_down() {
    let off = File::new("udp_over_tcp = false\n").server();
    for scheme in ["socks5h", "http", "socks4a"] {
        let mut outer = through(&url(scheme, off.address), "udp-over-tcp");
        let mut client = outer.connect();
        assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
        let code = exchange(&mut client, &Carrier::V2.socks5(), 10)[1];
        // SOCKS4 has no codes that tell it apart.
        assert_eq!(code, if scheme == "socks4a" { 1 } else { 7 }, "{scheme}");
        drop(client);
        outer.silent_until("session ended", "upstream does not work");
    }
}

/// What had moved by then is in its line.
#[test]
fn an_upstream_that_goes_ends_the_association() {
    let mut inner = Server::start(&FLAGS, "info");
    let mut outer = through(&url("http", inner.address), "udp-over-tcp");
    let mut stream = Carrier::V1.exchanges_by_socks5(&outer, echo());
    inner.process.kill().unwrap();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    let line = outer.says("session ended");
    assert!(line.contains("outcome=broken up=1004 down=1004"), "{line}");
    assert!(line.contains("the transport of datagrams failed"), "{line}");
}

/// The proxy takes nothing else than TLS.
#[test]
fn datagrams_are_inside_the_tls_of_an_upstream() {
    let target = echo();
    let authority = Authority::new();
    let (certificate, key) = authority.signs("").files();
    let roots = File::new(&authority.pem);
    let tls = [
        "--tls-certificate",
        certificate.path(),
        "--tls-key",
        key.path(),
    ];
    let mut inner = Server::start(&[&FLAGS[..], &tls].concat(), "info");
    for (scheme, protocol) in [("https", "http"), ("socks5s", "socks5")] {
        let upstream = url(scheme, inner.address);
        let file = File::new(&format!(
            "upstream = {upstream}\nupstream_udp = \"udp-over-tcp\"\n"
        ));
        let mut command = Command::new(program());
        command.args(FLAGS).args(["--config", file.path()]);
        let outer = Server::spawn(command.env("SSL_CERT_FILE", roots.path()));
        drop(Carrier::V2.exchanges_by_socks5(&outer, target));
        let line = inner.says("target=sp.v2.udp-over-tcp.arpa:");
        assert!(line.contains(&format!("protocol={protocol}")), "{line}");
        assert!(line.contains("up=1004 down=1004"), "{line}");
    }
}
