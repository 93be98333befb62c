//! UDP over TCP at the example server: where it is on, and what is said of it.

use std::{net::SocketAddr, process::Command};

use crate::support::program::{
    Server, carried::Carrier, complaint, connect_request, exchange, file::File, program,
};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// The first two octets of the reply.
fn reply(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
    exchange(&mut client, request, 2)
}

/// The requests of all protocols.
fn requests() -> [Vec<u8>; 3] {
    [Carrier::V1, Carrier::V2, Carrier::ForwardUdp].map(Carrier::socks5)
}

#[test]
fn it_is_on_until_it_is_switched_off() {
    let file = |text: &str| File::new(&format!("{text}{OPEN}")).server();
    let on = file("");
    let off = file("udp_over_tcp = false\n");
    for request in requests() {
        assert_eq!(reply(&on, &request), [5, 0]);
        assert_eq!(reply(&off, &request), [5, 7]);
    }
    // ASSOCIATE is another matter.
    let associate = b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00";
    assert_eq!(reply(&off, associate), [5, 0]);
}

/// What the rules say about the names does not matter: an operator who has switched it off need not look there.
#[test]
fn switched_off_it_is_said_whatever_the_rules_are() {
    let file = File::new("udp_over_tcp = false\n[acl]\ndefault = \"deny\"\n");
    let flags = ["--listen", "127.0.0.1:0", "--config", file.path()];
    let mut server = Server::start(&flags, "debug");
    for request in requests() {
        assert_eq!(reply(&server, &request), [5, 7]);
        server.says("UDP over TCP is off at this listener");
    }
}

#[test]
fn each_listener_has_its_own_choice() {
    let file = File::new(&format!(
        "udp_over_tcp = false\n{OPEN}[[listen]]\naddress = \"127.0.0.1:0\"\nudp_over_tcp = true\n[[listen]]\n\
         address = \"127.0.0.1:0\"\n"
    ));
    let mut first = Server::start(&["--config", file.path()], "info");
    let second: SocketAddr = Server::listening(&mut first.log);
    for request in requests() {
        assert_eq!(reply(&first, &request), [5, 0]);
    }
    first.address = second;
    for request in requests() {
        assert_eq!(reply(&first, &request), [5, 7]);
    }
}

/// Rules take it for what it is.
#[test]
fn rules_about_udp_are_rules_about_it() {
    let deny = "[[acl.rules]]\naction = \"deny\"\ncommand = \"udp\"\n";
    let mut server = File::new(&format!("{OPEN}{deny}")).server();
    for request in requests() {
        assert_eq!(reply(&server, &request), [5, 2]);
        let line = server.says("session ended");
        assert!(line.contains("rule 1"), "{line}");
    }
    let allow = "[acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"allow\"\ncommand = \"udp\"\n";
    let server = File::new(allow).strict_server();
    for request in requests() {
        assert_eq!(reply(&server, &request), [5, 0]);
    }
    let other = connect_request(([127, 0, 0, 1], 9).into());
    assert_eq!(reply(&server, &other), [5, 2]);
}

/// What `--explain` says about a CONNECT to the name, and whether that would be allowed.
fn explained(config: &str) -> (String, bool) {
    let file = File::new(config);
    let question = ["--explain", "connect sp.v2.udp-over-tcp.arpa:0"];
    let output = Command::new(program())
        .args(["--config", file.path()])
        .args(question)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (said, output.status.success())
}

#[test]
fn it_is_explained_as_it_is_served() {
    let (said, allowed) = explained(OPEN);
    assert!(allowed, "{said}");
    assert!(said.contains("judged as UDP ASSOCIATE"), "{said}");

    let deny = "[[acl.rules]]\naction = \"deny\"\ncommand = \"udp\"\n";
    let (said, allowed) = explained(&format!("{OPEN}{deny}"));
    assert!(!allowed && said.contains("rule 1"), "{said}");

    let (said, allowed) = explained(&format!("udp_over_tcp = false\n{OPEN}"));
    assert!(!allowed && said.contains("off at all listeners"), "{said}");
}

#[test]
fn a_check_says_where_it_is() {
    let checked = |config: &str| {
        let file = File::new(config);
        let output = Command::new(program())
            .args(["--config", file.path(), "--check"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let with = "with UDP over TCP";
    assert!(checked(OPEN).contains(with));
    assert!(!checked(&format!("udp_over_tcp = false\n{OPEN}")).contains(with));
    // There is no UDP, and so none over TCP.
    let upstream = "upstream = \"socks5h://127.0.0.1:9\"\n";
    assert!(!checked(&format!("{upstream}{OPEN}")).contains(with));
    let file = File::new(&format!("udp_over_tcp = true\n{upstream}{OPEN}"));
    let said = complaint(&["--config", file.path(), "--check"]);
    assert!(said.contains("udp_over_tcp: there is no UDP"), "{said}");
}
