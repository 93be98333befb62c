//! SIGHUP with files that say less than before; and what stays bound whatever they say.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use rustix::process::Signal;

use crate::{
    changes::until_refused,
    support::{
        has_ipv6,
        program::{
            Server, certificates::Authority, complaint, connect_request, exchange, file::File,
            program,
        },
        udp::quiet_port,
    },
};

const USERS: &str = "[users]\njoe = \"secret\"\njane = \"secret\"\n";

/// The method for a client that offers none but "no authentication".
fn method(server: &Server) -> u8 {
    exchange(&mut server.connect(), b"\x05\x01\x00", 2)[1]
}

#[test]
fn a_file_that_is_emptied_does_not_open_the_proxy() {
    let file = File::new(USERS);
    let mut server = file.strict_server();
    assert_eq!(method(&server), 0xff);
    for emptied in ["", "[acl]\ndefault = \"allow\"\n", "open = false\n"] {
        file.write(emptied);
        server.signal(Signal::HUP);
        let line = server.says("kept what was in force");
        assert!(
            line.contains("`open = true`") && line.contains("2 users"),
            "{line}"
        );
        assert_eq!(method(&server), 0xff);
    }
    file.write("open = true\n");
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert_eq!(method(&server), 0);
    // From none to none is no change.
    file.write("");
    server.signal(Signal::HUP);
    server.says("reloaded");
    // And from some to fewer is one's own business.
    file.write(USERS);
    server.signal(Signal::HUP);
    server.says("reloaded");
    file.write("[users]\njoe = \"secret\"\n");
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert_eq!(method(&server), 0xff);
}

/// What keeps strangers out can be a certificate, or who may connect to a socket, in place of a password.
#[test]
fn nor_does_one_that_asks_for_no_certificates_any_more() {
    let authority = Authority::new();
    let (certificate, key) = authority.signs("").files();
    let ca = File::new(&authority.pem);
    let tls = format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\n",
        certificate.path(),
        key.path(),
    );
    let required = format!("{tls}client_ca = {:?}\n", ca.path());
    let file = File::new(&required);
    let mut server = file.strict_server();
    let kept = |server: &mut Server, text: &str| {
        file.write(text);
        server.signal(Signal::HUP);
        let line = server.says("kept what was in force");
        assert!(line.contains("`open = true`"), "{line}");
    };
    for text in [
        "",
        &*tls,
        &format!("{required}client_certificates = \"optional\"\n"),
    ] {
        kept(&mut server, text);
        assert!(
            exchange_fails(&server),
            "{text}: it serves without a certificate"
        );
    }
    for text in [&required, "open = true\n", ""] {
        file.write(text);
        server.signal(Signal::HUP);
        server.says("reloaded");
    }
    assert_eq!(method(&server), 0);

    let path = File::new("");
    std::fs::remove_file(path.path()).unwrap();
    let file = File::new(&format!("[[listen]]\npath = {:?}\n", path.path()));
    let mut command = std::process::Command::new(program());
    let mut process = command
        .args(["--config", file.path()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(process.stderr.take().unwrap());
    let mut says = |text: &str| {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(std::io::BufRead::read_line(&mut log, &mut line).unwrap(), 0);
        }
    };
    says("listening on ");
    file.write("listen = \"127.0.0.1:0\"\n");
    let pid = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    says("all listeners required certificates, or were Unix sockets");
    process.kill().unwrap();
    process.wait().unwrap();
}

/// Whether a client without TLS is not greeted.
fn exchange_fails(server: &Server) -> bool {
    let mut client = server.connect();
    client.write_all(b"\x05\x01\x00").unwrap();
    let mut heard = [0; 2];
    client.read_exact(&mut heard).is_err() || heard != [5, 0]
}

#[test]
fn the_command_line_can_say_that_it_is_meant() {
    let file = File::new(USERS);
    let flags = ["--listen", "127.0.0.1:0", "--open", "--config", file.path()];
    let mut server = Server::start(&flags, "info");
    file.write("");
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert_eq!(method(&server), 0);
}

#[test]
fn the_file_can_open_other_addresses_than_loopback() {
    let file = File::new("");
    let flags = ["--listen", "0.0.0.0:0", "--config", file.path(), "--check"];
    assert!(complaint(&flags).contains("open = true"));
    let file = File::new("open = true\n");
    let server = Server::start(&["--listen", "0.0.0.0:0", "--config", file.path()], "info");
    assert_ne!(server.address.port(), 0);
}

#[test]
fn rules_that_are_gone_are_warned_about() {
    let rules = "[acl]\ndefault = \"allow\"\n[[acl.rules]]\naction = \"deny\"\nport = 25\n";
    let file = File::new(&format!("{USERS}{rules}"));
    let mut server = file.strict_server();
    file.write("[users]\njoe = \"secret\"\n");
    server.signal(Signal::HUP);
    let line = server.says("there were 1 rules");
    assert!(line.contains("WARN") && line.contains("2 users"), "{line}");
    server.says("reloaded");
}

#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
#[test]
fn metrics_that_the_file_has_dropped_are_gone() {
    let rules =
        "[acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"allow\"\nto = \"127.0.0.0/8\"\n";
    let file = File::new(&format!("{rules}[metrics]\nlisten = \"127.0.0.1:0\"\n"));
    let mut server = file.strict_server();
    let line = server.says("metrics at http://");
    let (_, address) = line.trim_end().split_once("http://").unwrap();
    let metrics: SocketAddr = address.trim_end_matches('/').parse().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let asks = |server: &Server, target: SocketAddr| {
        let mut client = server.connect();
        exchange(&mut client, b"\x05\x01\x00", 2);
        exchange(&mut client, &connect_request(target), 10)[1]
    };
    assert_eq!(asks(&server, metrics), 2);
    assert_eq!(asks(&server, other.local_addr().unwrap()), 0);
    file.write(rules);
    server.signal(Signal::HUP);
    server.says("reloaded");
    until_refused(metrics);
    assert_ne!(asks(&server, metrics), 2);
    assert_eq!(asks(&server, server.address), 2);
    assert_eq!(asks(&server, other.local_addr().unwrap()), 0);
}

#[test]
fn both_wildcards_can_have_one_port() {
    if !has_ipv6() {
        return;
    }
    for order in [["0.0.0.0", "[::]"], ["[::]", "0.0.0.0"]] {
        let port = quiet_port();
        let [first, second] = order.map(|ip| format!("{ip}:{port}"));
        let server = Server::start(&["--open", "--listen", &first, "--listen", &second], "info");
        assert_eq!(method(&server), 0);
        for ip in ["127.0.0.1", "::1"] {
            let to = SocketAddr::new(ip.parse().unwrap(), port);
            let mut client = TcpStream::connect(to).unwrap();
            assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
        }
    }
}
