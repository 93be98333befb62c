//! The example server as a program: flags, messages, signals.

use std::{
    io::{self, BufRead, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
};

use rustix::process::Signal;

use crate::support::program::{Server, complaint, connect_request, exchange, program};

#[test]
fn without_flags_it_means_port_1080_of_loopback() {
    let help = Command::new(program()).arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in [
        "--listen",
        "--user",
        "--open",
        "--allow-private",
        "127.0.0.1:1080",
    ] {
        assert!(help.contains(flag), "{help}");
    }
}

#[test]
fn it_says_in_one_line_why_it_cannot_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let said = complaint(&["--listen", &taken]);
    assert!(said.contains(&taken) && said.contains("in use"), "{said}");

    for (flags, expected) in [
        (&["--listen", "1080"][..], "expected ADDR:PORT"),
        (&["--listen", "localhost:1080"], "expected ADDR:PORT"),
        (&["--listen", "127.0.0.1:99999"], "expected ADDR:PORT"),
        (&["--listen"], "--listen"),
        (&["--user", "joe"], "NAME:PASSWORD"),
        (&["--user", "joe:"], "1 to 255"),
        (&["--user", ":secret"], "1 to 255"),
        (&["--users", "joe:secret"], "--users"),
        (&["--open=yes"], "--open"),
        (&["127.0.0.1:1080"], "127.0.0.1:1080"),
    ] {
        let said = complaint(flags);
        assert!(said.contains(expected), "{flags:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn it_is_no_open_proxy_by_accident() {
    for exposed in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let said = complaint(&["--listen", "127.0.0.1:0", "--listen", exposed]);
        assert!(said.contains("--user") && said.contains("--open"), "{said}");
        // A user that is malformed must not end in no user at all.
        complaint(&["--listen", exposed, "--user", "joe"]);
    }
    Server::start(&["--listen", "0.0.0.0:0", "--open"], "info");
    Server::start(&["--listen", "0.0.0.0:0", "--user", "joe:secret"], "info");
    Server::start(&["--listen", "127.8.8.8:0"], "info");
}

#[test]
fn users_have_to_authenticate() {
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--user",
        "joe:se:cret",
        "--user",
        "jane:hidden",
    ];
    let server = Server::start(&flags, "info");
    assert_eq!(
        exchange(&mut server.connect(), b"\x05\x01\x00", 2),
        b"\x05\xff"
    );
    for (credentials, status) in [
        (&b"\x01\x03joe\x07se:cret"[..], 0),
        (b"\x01\x04jane\x06hidden", 0),
        (b"\x01\x03joe\x06hidden", 1),
    ] {
        let mut client = server.connect();
        assert_eq!(exchange(&mut client, b"\x05\x02\x00\x02", 2), b"\x05\x02");
        assert_eq!(exchange(&mut client, credentials, 2), [1, status]);
    }
}

#[test]
fn every_address_is_listened_on_and_said() {
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.2:0",
        "--allow-private",
    ];
    // Even where nothing else is logged.
    let mut server = Server::start(&flags, "off");
    let second = Server::listening(&mut server.log);
    for address in [server.address, second] {
        let mut client = TcpStream::connect(address).unwrap();
        assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    }
}

#[test]
fn a_signal_drains_and_a_second_one_does_not_wait() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut request = b"\x05\x01\x00".to_vec();
    request.extend(connect_request(target.local_addr().unwrap()));
    for (first, second) in [(Signal::TERM, None), (Signal::INT, Some(Signal::TERM))] {
        let mut server = Server::start(&["--listen", "127.0.0.1:0", "--allow-private"], "info");
        let mut client = server.connect();
        exchange(&mut client, &request, 12);
        let (mut accepted, _) = target.accept().unwrap();

        server.signal(first);
        let mut line = String::new();
        server.log.read_line(&mut line).unwrap();
        assert!(line.contains("stopping"), "{line}");
        // The session goes on.
        accepted.write_all(b"still here").unwrap();
        assert_eq!(exchange(&mut client, b"", 10), b"still here");
        assert!(server.process.try_wait().unwrap().is_none());
        match second {
            Some(second) => {
                server.signal(second);
                // The session has its line all the same, and does not look complete.
                let line = server.says("session ended");
                for part in ["outcome=\"dropped\"", "up=0", "down=10"] {
                    assert!(line.contains(part), "no {part} in {line}");
                }
                let reset = client.read(&mut [0]).unwrap_err();
                assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
                assert_eq!(server.ends().code(), Some(1));
            }
            None => {
                drop((client, accepted));
                assert_eq!(server.ends().code(), Some(0));
            }
        }
    }
}

#[test]
fn a_session_is_one_line_at_its_end() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--user",
        "joe:secret",
        "--allow-private",
    ];
    let mut server = Server::start(&flags, "info");
    let mut client = server.connect();
    let peer = client.local_addr().unwrap();
    let mut said = b"\x05\x01\x02\x01\x03joe\x06secret".to_vec();
    said.extend(connect_request(address));
    said.extend(b"four");
    exchange(&mut client, &said, 14);
    let (mut accepted, _) = target.accept().unwrap();
    accepted.write_all(b"sixsix").unwrap();
    assert_eq!(exchange(&mut client, b"", 6), b"sixsix");
    drop(client);
    drop(accepted);
    let mut line = String::new();
    server.log.read_line(&mut line).unwrap();
    for part in [
        "INFO",
        &format!("peer={peer}"),
        "user=joe",
        "command=CONNECT",
        &format!("target={address}"),
        "up=4",
        "down=6",
        "duration=",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!line.contains("secret"));
}
