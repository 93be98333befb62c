//! The example server's associations in a flood of datagrams from others than the client.

use std::{
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::support::{
    faults::{
        Before, OPEN, flags,
        peers::{greeted, is_closed},
    },
    program::{Server, exchange, file::File},
};

const MIB: usize = 1024 * 1024;

/// A target that repeats every datagram.
fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut datagram = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            assert_ne!(&datagram[..length], b"flood");
            socket.send_to(&datagram[..length], from).unwrap();
        }
    });
    address
}

/// The header of a datagram to `target`, and a payload.
fn datagram(target: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let SocketAddr::V4(target) = target else {
        unreachable!()
    };
    let mut datagram = b"\x00\x00\x00\x01".to_vec();
    datagram.extend(target.ip().octets());
    datagram.extend(target.port().to_be_bytes());
    datagram.extend(payload);
    datagram
}

/// An association: its connection, and where datagrams go.
fn associate(server: SocketAddr) -> (TcpStream, SocketAddr) {
    let mut client = greeted(server);
    let reply = exchange(&mut client, b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", 10);
    assert_eq!(reply[..4], *b"\x05\x00\x00\x01");
    let ip: [u8; 4] = reply[4..8].try_into().unwrap();
    let port = u16::from_be_bytes([reply[8], reply[9]]);
    (client, (ip, port).into())
}

/// Sends until the answer is there: a flood may fill the queue of a socket.
fn echoes(client: &UdpSocket, relay: SocketAddr, target: SocketAddr, number: u32) {
    let said = datagram(target, &number.to_be_bytes());
    let mut heard = [0; 64];
    for _ in 0..200 {
        client.send_to(&said, relay).unwrap();
        // Answers to those before may come late.
        while let Ok((length, from)) = client.recv_from(&mut heard) {
            assert_eq!(from, relay);
            assert_eq!(heard[..10], said[..10]);
            if heard[..length] == said {
                return;
            }
        }
    }
    panic!("no answer to datagram {number}");
}

#[test]
fn a_flood_from_others_reaches_nobody_and_the_client_is_served() {
    let file = File::new(OPEN);
    let server = Server::start(&flags(file.path()), "warn");
    let target = echo();
    let before = Before::of(&server);
    let (control, relay) = associate(server.address);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = Some(Duration::from_millis(100));
    client.set_read_timeout(patience).unwrap();
    echoes(&client, relay, target, 0);

    let flooding = AtomicBool::new(true);
    thread::scope(|scope| {
        // Another host, another port of the client's host, and garbage from both.
        for source in ["127.0.0.2:0", "127.0.0.1:0"] {
            for said in [datagram(target, b"flood"), b"garbage".to_vec()] {
                let flooding = &flooding;
                scope.spawn(move || {
                    let other = UdpSocket::bind(source).unwrap();
                    let mut sent = 0;
                    while flooding.load(Ordering::Relaxed) {
                        sent += usize::from(other.send_to(&said, relay).is_ok());
                    }
                    assert!(sent > 0);
                    // Nobody answers.
                    other.set_nonblocking(true).unwrap();
                    assert!(other.recv_from(&mut [0; 64]).is_err());
                });
            }
        }
        let served =
            scope.spawn(|| (1..=500).for_each(|number| echoes(&client, relay, target, number)));
        let served = served.join();
        flooding.store(false, Ordering::Relaxed);
        served.unwrap();
    });
    before.has_grown_less_than(16 * MIB);

    // The association ends with its connection, flood or not.
    drop(control);
    before.is_restored(16 * MIB);
}

#[test]
fn associations_that_come_and_go_leave_nothing_behind() {
    let file = File::new(OPEN);
    let server = Server::start(&flags(file.path()), "warn");
    let target = echo();
    let once = |number: u32| {
        let (control, relay) = associate(server.address);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        echoes(&client, relay, target, number);
        control.shutdown(std::net::Shutdown::Write).unwrap();
        is_closed(control);
    };
    let before = Before::of(&server);
    (0..200).for_each(once);
    before.is_restored(16 * MIB);
    let before = Before::of(&server);
    (0..800).for_each(once);
    before.is_restored(4 * MIB);
}
