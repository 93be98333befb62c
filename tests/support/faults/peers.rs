//! Clients and targets.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::support::program::{connect_request, exchange};

/// A connection to the server.
pub fn reach(server: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(server).unwrap();
    let limit = Some(Duration::from_secs(30));
    client.set_read_timeout(limit).unwrap();
    client.set_write_timeout(limit).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

/// A client right behind the method selection.
pub fn greeted(server: SocketAddr) -> TcpStream {
    let mut client = reach(server);
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    client
}

/// A client with the reply to its CONNECT, whatever that is.
pub fn asked(server: SocketAddr, target: SocketAddr) -> (TcpStream, u8) {
    let mut client = greeted(server);
    let reply = exchange(&mut client, &connect_request(target), 10);
    assert_eq!(reply[0], 5);
    (client, reply[1])
}

/// A tunnel.
pub fn tunnel(server: SocketAddr, target: SocketAddr) -> TcpStream {
    let (client, reply) = asked(server, target);
    assert_eq!(reply, 0);
    client
}

/// A target that repeats what it hears.
pub fn echo() -> SocketAddr {
    target(|mut stream| {
        let mut heard = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut heard) {
            if stream.write_all(&heard[..read]).is_err() {
                return;
            }
        }
    })
}

/// A target with a thread for every connection.
pub fn target(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, stream) = (serve.clone(), stream.unwrap());
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Says something to an echo, and hears it.
pub fn round_trip(client: &mut TcpStream, number: usize) {
    let said = number.to_be_bytes();
    assert_eq!(exchange(client, &said, said.len()), said);
}

/// `length` bytes that tell where they belong.
pub fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + seed) % 251) as u8).collect()
}

/// Sends `said` to an echo and hears all of it, at the same time.
pub fn echoes(client: &mut TcpStream, said: &[u8]) {
    let mut writer = client.try_clone().unwrap();
    let mut heard = vec![0; said.len()];
    thread::scope(|scope| {
        scope.spawn(move || writer.write_all(said).unwrap());
        client.read_exact(&mut heard).unwrap();
    });
    assert!(heard == said, "other bytes than those that were sent");
}

/// The server ends the connection, by an end or a reset, and says nothing more.
pub fn is_closed(mut client: TcpStream) {
    match client.read(&mut [0; 64]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
}
