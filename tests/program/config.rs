//! The example server with a file: rules, users, SIGHUP, and what it explains.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use rustix::process::Signal;

use crate::support::program::{Server, complaint, connect_request, exchange, file::File, program};

/// The reply code to CONNECT, and the connection.
fn connect(server: &Server, target: SocketAddr) -> (u8, TcpStream) {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    let reply = exchange(&mut client, &connect_request(target), 10);
    (reply[1], client)
}

/// The same as joe.
fn connect_as_joe(server: &Server, target: SocketAddr) -> (u8, TcpStream) {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x02", 2), b"\x05\x02");
    let answer = exchange(&mut client, b"\x01\x03joe\x06secret", 2);
    assert_eq!(answer, b"\x01\x00");
    let reply = exchange(&mut client, &connect_request(target), 10);
    (reply[1], client)
}

fn target() -> (TcpListener, SocketAddr) {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    (target, address)
}

const CLOSED: &str = "[acl]\ndefault = \"deny\"\n";
const OPEN: &str =
    "[acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"allow\"\nto = \"127.0.0.1\"\n";

#[test]
fn special_purpose_addresses_are_refused_until_they_are_allowed() {
    let (_target, address) = target();
    let mut server = Server::start(&["--listen", "127.0.0.1:0"], "info");
    assert_eq!(connect(&server, address).0, 2);
    let line = server.says("session ended");
    for part in [
        "outcome=refused",
        "loopback",
        "127.0.0.0/8",
        "allow_private",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(connect(&server, server.address).0, 2);
    let line = server.says("session ended");
    assert!(line.contains("self-connection"), "{line}");

    let flags = ["--listen", "127.0.0.1:0", "--allow-private"];
    let server = Server::start(&flags, "info");
    assert_eq!(connect(&server, address).0, 0);

    let file = File::new(OPEN);
    assert_eq!(connect(&file.strict_server(), address).0, 0);
}

#[test]
fn a_reload_closes_what_is_refused_now_and_nothing_else() {
    let (first, first_address) = target();
    let (second, second_address) = target();
    let file = File::new(OPEN);
    let mut server = file.strict_server();
    let (code, mut closed) = connect(&server, first_address);
    assert_eq!(code, 0);
    let (code, mut kept) = connect(&server, second_address);
    assert_eq!(code, 0);
    let mut kept_target = second.accept().unwrap().0;

    let port = second_address.port();
    file.write(&format!("{OPEN}port = {port}\n"));
    server.signal(Signal::HUP);
    server.says_all(["reloaded", "outcome=refused"]);

    assert!(matches!(closed.read(&mut [0]), Ok(0) | Err(_)));
    drop(first);
    kept.write_all(b"x").unwrap();
    kept_target.read_exact(&mut [0]).unwrap();
    assert_eq!(connect(&server, first_address).0, 2);
    assert_eq!(connect(&server, second_address).0, 0);
}

/// A pipe has nothing in it when it is read again, and an empty file would ask nobody for a password.
#[test]
fn what_is_no_file_neither_starts_a_server_nor_stops_reloads() {
    let pipe = std::env::temp_dir().join(format!("pipe-{}", std::process::id()));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let text = "listen = \"127.0.0.1:0\"\n[users]\njoe = \"secret\"\n";
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, text).unwrap()
    });
    let complaint = complaint(&["--config", pipe.to_str().unwrap()]);
    assert!(complaint.contains("is not a file"), "{complaint}");
    writer.join().unwrap();

    let (_target, address) = target();
    let file = File::new(CLOSED);
    let mut server = file.strict_server();
    fs::rename(&pipe, &file.0).unwrap();
    server.signal(Signal::HUP);
    let line = server.says("kept what was in force");
    assert!(line.contains("is not a file"), "{line}");
    fs::remove_file(&file.0).unwrap();
    file.write(CLOSED);
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert_eq!(connect(&server, address).0, 2);
}

#[test]
fn a_mistake_keeps_everything_and_is_said_with_file_line_and_field() {
    let (_target, address) = target();
    let file = File::new(CLOSED);
    let mut server = file.strict_server();
    let mistakes = [
        ("[acl]\ndefault = \"alow\"\n", ":2:11: acl, default: "),
        (
            "[users]\njoe = \"secret\"\n[acl]\n",
            ":3:1: acl: missing field `default`",
        ),
        ("[users]\njoe = \"secret\n", ":2:"),
        (
            "[acl]\ndefault = \"allow\"\n[[acl.rules]]\naction = \"deny\"\nto = [\"10.0.0.1/8\"]\n",
            ":5:7: acl, rule 1, to, value 1: ",
        ),
        (
            "[users]\njoe = \"secret\"\n[acl]\ndefault = \"allow\"\n[[acl.rules]]\naction = \"deny\"\nuser = \"jo\"\n",
            ":7:8: acl, rule 1, user: there is no user `jo`",
        ),
        ("rules = []\n", ":1:1: rules: unknown field `rules`"),
    ];
    for (text, said) in mistakes {
        file.write(text);
        server.signal(Signal::HUP);
        let line = server.says("kept what was in force");
        assert!(line.contains(&format!("{}{said}", file.path())), "{line}");
        assert!(!line.contains("secret"), "{line}");
        assert_eq!(connect(&server, address).0, 2);
        server.says("session ended");
        // At the start it is the reason not to start.
        let complaint = complaint(&["--listen", "127.0.0.1:0", "--config", file.path()]);
        assert!(complaint.contains(said), "{complaint}");
        assert!(!complaint.contains("secret"), "{complaint}");
    }
    fs::remove_file(&file.0).unwrap();
    server.signal(Signal::HUP);
    assert!(server.says("kept").contains(file.path()));
    file.write(OPEN);
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert_eq!(connect(&server, address).0, 0);
}

#[test]
fn users_come_and_go_with_the_file() {
    let (_target, address) = target();
    let file = File::new(OPEN);
    let mut server = file.strict_server();
    assert_eq!(connect(&server, address).0, 0);

    file.write(&format!("[users]\njoe = \"secret\"\n{OPEN}"));
    server.signal(Signal::HUP);
    server.says("reloaded");
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\xff");
    let (code, mut joe) = connect_as_joe(&server, address);
    assert_eq!(code, 0);

    file.write(&format!("[users]\njane = \"hidden\"\n{OPEN}"));
    server.signal(Signal::HUP);
    server.says("not a user any more");
    assert!(matches!(joe.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_file_without_users_does_not_open_a_server_that_others_reach() {
    let file = File::new(OPEN);
    let said = complaint(&["--listen", "0.0.0.0:0", "--config", file.path()]);
    assert!(said.contains("--open"), "{said}");

    file.write(&format!("[users]\njoe = \"secret\"\n{OPEN}"));
    let flags = ["--listen", "0.0.0.0:0", "--config", file.path()];
    let mut server = Server::start(&flags, "info");
    file.write(OPEN);
    server.signal(Signal::HUP);
    let line = server.says("kept what was in force");
    assert!(line.contains("anyone could use"), "{line}");
}

#[test]
fn it_explains_what_an_upstream_would_be_asked() {
    let file = File::new(
        "upstream = \"socks5h://127.0.0.1:9\"\n[acl]\ndefault = \"deny\"\n[[acl.rules]]\n\
         action = \"allow\"\nto = [\"198.51.100.0/24\", \"good.example\"]\n",
    );
    let explain = |question: &str| {
        let flags = ["--config", file.path(), "--explain", question];
        let output = Command::new(program()).args(flags).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said)
    };
    for (question, status, expected) in [
        ("connect any.example:25", 1, "refused by default"),
        ("connect good.example:25", 0, "allowed by rule 1"),
        ("connect 198.51.100.7:25", 0, "allowed by rule 1"),
        (
            "udp 198.51.100.7:53",
            1,
            "UDP ASSOCIATE is refused: `upstream_udp`",
        ),
        ("bind 198.51.100.7:53", 1, "BIND is refused"),
        ("resolve good.example:0", 1, "`resolve` is off"),
    ] {
        let (code, said) = explain(question);
        assert!(
            code == status && said.contains(expected),
            "{question}: {said}"
        );
    }
}

/// The same as it is served.
#[test]
fn names_for_an_upstream_are_judged_when_it_serves() {
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = File::new(&format!(
        "upstream = \"socks5h://{}\"\n[acl]\ndefault = \"deny\"\n[[acl.rules]]\n\
         action = \"allow\"\nto = \"198.51.100.0/24\"\n",
        upstream.local_addr().unwrap()
    ));
    let flags = ["--listen", "127.0.0.1:0", "--config", file.path()];
    let server = Server::start(&flags, "info");
    let mut client = server.connect();
    let request = b"\x05\x01\x00\x05\x01\x00\x03\x0bany.example\x00\x19";
    let heard = exchange(&mut client, request, 4);
    assert_eq!(heard, [5, 0, 5, 2]);
    // Nobody has called there.
    upstream.set_nonblocking(true).unwrap();
    assert!(upstream.accept().is_err());
}

#[test]
fn a_time_zone_that_is_not_known_is_a_mistake_once_a_rule_has_hours() {
    let rule = |more: &str| {
        format!("[acl]\ndefault = \"deny\"\n{more}\n[[acl.rules]]\naction = \"allow\"\n")
    };
    let check = |text: &str, zone: &str| {
        let file = File::new(text);
        let flags = ["--config", file.path(), "--check"];
        let checked = Command::new(program()).args(flags).env("TZ", zone).output();
        let checked = checked.unwrap();
        let said = String::from_utf8(checked.stderr).unwrap();
        (checked.status.success(), said)
    };
    let hours = "time = \"08:00-18:00\"\n";
    let (succeeds, said) = check(&format!("{}{hours}", rule("")), "Nowhere/Land");
    assert!(
        !succeeds && said.contains("TZ in the environment"),
        "{said}"
    );
    for elsewhere in [
        "[[outgoing.rules]]\nfamily = \"ipv4\"\n",
        "[[routes]]\nupstream = \"refuse\"\n",
    ] {
        let (succeeds, said) = check(&format!("{elsewhere}{hours}"), "Nowhere/Land");
        assert!(
            !succeeds && said.contains("TZ in the environment"),
            "{elsewhere}: {said}"
        );
    }
    for (text, zone) in [
        (rule(""), "Nowhere/Land"),
        (
            format!("{}{hours}", rule("time_zone = \"UTC\"")),
            "Nowhere/Land",
        ),
        (format!("{}{hours}", rule("")), "UTC"),
        (format!("{}{hours}", rule("")), "Etc/UTC"),
        (format!("{}{hours}", rule("")), ""),
        (format!("{}{hours}", rule("")), "CET-1CEST,M3.5.0,M10.5.0"),
    ] {
        let (succeeds, said) = check(&text, zone);
        assert!(succeeds, "{zone}: {said}");
    }
}

#[test]
fn it_explains() {
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/server.toml");
    let explain = |question: &str| {
        let flags = ["--config", reference, "--explain", question];
        let output = Command::new(program()).args(flags).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said)
    };
    for (question, status, expected) in [
        (
            "user=joe connect 8.8.8.8:443",
            0,
            "allowed by rule 4 (the web)",
        ),
        ("connect example.com:25", 1, "refused by rule 1 (no mail)"),
        ("connect 127.1:443", 1, "loopback"),
        ("user=joe udp 8.8.8.8:53", 0, "allowed by rule 5"),
        ("user=jim udp 8.8.8.8:53", 1, "refused by default"),
        (
            "at=2026-11-23T10:00:00Z connect a.games.example:80",
            1,
            "rule 3",
        ),
        (
            "user=jane client=127.0.0.1 connect 192.168.1.7:631",
            0,
            "rule 2 (the printer)",
        ),
        (
            "user=jane client=8.8.8.8 connect 192.168.1.7:631",
            1,
            "private use",
        ),
    ] {
        let (code, said) = explain(question);
        assert!(
            code == status && said.contains(expected),
            "{question}: {said}"
        );
    }
    let (code, said) = explain("at=2026-11-22T10:00:00Z connect localhost:80");
    assert_eq!(code, 1);
    assert!(
        said.lines().count() >= 2 && said.contains("at 127.0.0.1:80"),
        "{said}"
    );
    for wrong in [
        "",
        "connect",
        "dance a.example:1",
        "x=1 connect a.example:1",
        "connect a.example",
    ] {
        assert!(
            complaint(&["--explain", wrong]).contains("user=joe connect"),
            "{wrong}"
        );
    }
}
