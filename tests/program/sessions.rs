//! The example server's bounds on sessions and handshakes: what one client can hold, and what the others hear.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use crate::support::program::{Server, connect_request, exchange, file::File};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// A server with a listener more than others have, and its address.
fn two_listeners(limits: &str) -> (File, Server, SocketAddr) {
    let listen = "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n";
    let file = File::new(&format!("{listen}{OPEN}[limits]\n{limits}"));
    let mut server = Server::start(&["--config", file.path()], "info");
    let line = server.says("listening on ");
    let (_, other) = line.trim_end().rsplit_once(' ').unwrap();
    let other = other.parse().unwrap();
    (file, server, other)
}

/// A client with an address of its own.
fn client(from: &str, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from: SocketAddr = format!("{from}:0").parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

fn is_greeted(client: &mut TcpStream) -> bool {
    let mut selection = [0; 2];
    client.write_all(b"\x05\x01\x00").is_ok() && client.read_exact(&mut selection).is_ok()
}

#[test]
fn an_idle_listener_holds_no_place_and_nobody_waits_for_ever() {
    let (_file, mut server, other) = two_listeners("sessions = 2\n");
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = connect_request(target.local_addr().unwrap());
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect();
        assert!(is_greeted(&mut client));
        assert_eq!(exchange(&mut client, &request, 10)[1], 0);
        held.push(client);
    }
    // Below the 10 s of a handshake, and at the other listener as well.
    let asked = Instant::now();
    assert!(!is_greeted(&mut client("127.0.0.9", other)));
    assert!(
        asked.elapsed() < Duration::from_secs(9),
        "{:?}",
        asked.elapsed()
    );
    let line = server.says("limit reached");
    for part in ["WARN", "limit=\"sessions\"", "largest=127.0.0.1", "held=2"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // A place that becomes free is the next one's.
    let mut next = client("127.0.0.9", other);
    next.write_all(b"\x05\x01\x00").unwrap();
    held.clear();
    drop(target);
    let mut selection = [0; 2];
    next.read_exact(&mut selection).unwrap();
    assert_eq!(selection, [5, 0]);
}

/// Connects sixty times from one address, to two listeners by turns. Says which of them were greeted.
fn sixty_connections(listeners: [SocketAddr; 2]) -> Vec<(bool, TcpStream)> {
    let connect = |to| {
        let mut client = client("127.0.0.2", to);
        (is_greeted(&mut client), client)
    };
    listeners
        .into_iter()
        .cycle()
        .take(60)
        .map(connect)
        .collect()
}

#[test]
fn one_address_holds_a_share_and_the_others_are_served() {
    let limits = "sessions = 40\nunauthenticated_per_client = 1000\n";
    let (_file, server, other) = two_listeners(limits);
    let held = sixty_connections([server.address, other]);
    assert_eq!(held.iter().filter(|(greeted, _)| *greeted).count(), 10);
    let asked = Instant::now();
    assert!(is_greeted(&mut client("127.0.0.3", other)));
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
}

/// Greeted, and silent from there on.
#[test]
fn those_that_ask_for_nothing_are_in_the_handshake_at_all_listeners() {
    let limits = "sessions = 400\nunauthenticated_per_client = 10\ntunnels_per_user = 5\n";
    let (_file, server, other) = two_listeners(limits);
    let held = sixty_connections([server.address, other]);
    assert_eq!(held.iter().filter(|(greeted, _)| *greeted).count(), 10);
    assert!(is_greeted(&mut client("127.0.0.3", other)));
}

#[test]
fn the_largest_numbers_that_a_file_can_say_are_served() {
    let most = i64::MAX;
    let (_file, server, other) = two_listeners(&format!(
        "sessions = {most}\nsessions_per_client = {most}\nsessions_per_user = {most}\n\
         unauthenticated_per_client = {most}\ntunnels_per_user = {most}\n\
         requests_per_second = {}\nbytes_per_day = {most}\n\
         upload_bytes_per_second = {most}\ndownload_bytes_per_second = {most}\n",
        u32::MAX
    ));
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = connect_request(target.local_addr().unwrap());
    for address in [server.address, other] {
        let mut client = client("127.0.0.1", address);
        assert!(is_greeted(&mut client));
        assert_eq!(exchange(&mut client, &request, 10)[1], 0);
        let (mut accepted, _) = target.accept().unwrap();
        client.write_all(b"four").unwrap();
        let mut heard = [0; 4];
        accepted.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"four");
    }
}
