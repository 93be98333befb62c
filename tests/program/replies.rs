//! The example server's `[replies]`: the addresses that it tells.

use std::net::{SocketAddr, TcpListener};

use crate::support::program::{Server, exchange, file::File};

const ALLOWED: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n[replies]\n";

/// The reply to a request for a target, from REP on.
fn reply(server: &Server, command: u8, target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(target) = target else {
        panic!("{target} is of IPv6");
    };
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    let mut request = vec![5, command, 0, 1];
    request.extend(target.ip().octets());
    request.extend(target.port().to_be_bytes());
    let reply = exchange(&mut client, &request, 10);
    reply[1..].to_vec()
}

#[test]
fn the_address_of_a_connect_can_be_hidden() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = target
        .local_addr()
        .map(|address| (target, address))
        .unwrap();
    for (file, is_told) in [("", true), ("bound = true", true), ("bound = false", false)] {
        let server = File::new(&format!("{ALLOWED}{file}")).server();
        let connect = reply(&server, 1, target.1);
        assert_eq!(connect[..3], [0, 0, 1], "{file}");
        assert_eq!(connect[3..] == [0; 6], !is_told, "{file}");
        // Where somebody has to go is told in any case.
        for command in [2, 3] {
            let other = reply(&server, command, ([127, 0, 0, 1], 0).into());
            assert_eq!(other[..7], [0, 0, 1, 127, 0, 0, 1], "{file}");
            assert_ne!(other[7..], [0, 0], "{file}");
        }
    }
}

#[test]
fn bind_waits_for_unknown_peers_where_it_is_told_to() {
    let server = File::new(&format!("{ALLOWED}bind_address = [\"127.0.0.9\", \"::1\"]")).server();
    let zeros = reply(&server, 2, ([0, 0, 0, 0], 0).into());
    assert_eq!(zeros[..7], [0, 0, 1, 127, 0, 0, 9]);
    let known = reply(&server, 2, ([127, 0, 0, 1], 20).into());
    assert_eq!(known[..7], [0, 0, 1, 127, 0, 0, 1]);
}
