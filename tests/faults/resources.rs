//! The example server without what it needs: descriptors and pipes.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
};

use crate::support::{
    faults::{
        Before, Descriptors, OPEN, eventually, flags,
        peers::{echo, echoes, greeted, is_closed, pattern, reach, round_trip, tunnel},
        start_after,
    },
    program::{Server, connect_request, exchange, file::File},
};

const MIB: usize = 1024 * 1024;

/// The limit of descriptors, hard: the server raises a soft one.
const DESCRIPTORS: usize = 64;

fn short_of_descriptors(file: &File) -> Server {
    start_after(&format!("ulimit -n {DESCRIPTORS}"), &flags(file.path()))
}

/// Waits until the server has no descriptor left.
fn is_exhausted(server: &Server) {
    eventually("descriptors run out", || {
        let taken = taken(server);
        (taken == DESCRIPTORS)
            .then_some(())
            .ok_or(taken.to_string())
    });
}

/// Descriptors that count for the limit. A test runner may pass down others, with high numbers.
fn taken(server: &Server) -> usize {
    let path = format!("/proc/{}/fd", server.process.id());
    let numbers = fs::read_dir(path).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str().unwrap().parse::<usize>().unwrap()
    });
    numbers.filter(|number| *number < DESCRIPTORS).count()
}

/// Tunnels to an echo, as many as there are descriptors for.
fn tunnels(server: &Server, target: SocketAddr) -> Vec<TcpStream> {
    let mut open = Vec::new();
    while taken(server) + 2 <= DESCRIPTORS {
        let mut client = tunnel(server.address, target);
        // Both ends are there: the count is right.
        round_trip(&mut client, open.len());
        open.push(client);
    }
    open
}

#[test]
fn a_server_without_descriptors_comes_back_and_disturbs_no_tunnel() {
    let file = File::new(OPEN);
    let mut server = short_of_descriptors(&file);
    let target = echo();
    let before = Before::of(&server);
    let before_tunnels = taken(&server);

    let mut open = tunnels(&server, target);
    assert!(open.len() > 10, "{}", open.len());
    // Of these, one may find a descriptor, and none finds two.
    let mut waiting: Vec<_> = (0..10)
        .map(|_| {
            let mut client = reach(server.address);
            client.write_all(b"\x05\x01\x00").unwrap();
            client
        })
        .collect();
    is_exhausted(&server);
    server.says("cannot accept connections");
    for (number, client) in open.iter_mut().enumerate() {
        round_trip(client, number);
    }

    // Everybody who waits is served once others have gone.
    drop(open.split_off(5));
    let most = before_tunnels + 2 * open.len() + waiting.len();
    eventually("descriptors come back", || {
        let taken = taken(&server);
        (taken == most).then_some(()).ok_or(taken.to_string())
    });
    for client in &mut waiting {
        let mut selection = [0; 2];
        client.read_exact(&mut selection).unwrap();
        assert_eq!(selection, *b"\x05\x00");
        assert_eq!(exchange(client, &connect_request(target), 10)[1], 0);
        round_trip(client, 7);
    }
    server.says("accepting connections again");
    for (number, client) in open.iter_mut().enumerate() {
        round_trip(client, number);
    }
    drop((open, waiting));
    before.is_restored(4 * MIB);
}

#[test]
fn a_dial_without_a_descriptor_is_a_general_failure() {
    let file = File::new(OPEN);
    let server = short_of_descriptors(&file);
    let target = echo();
    let before = Before::of(&server);

    let mut open = tunnels(&server, target);
    drop(open.pop());
    eventually("descriptors come back", || {
        let taken = taken(&server);
        (taken + 2 <= DESCRIPTORS)
            .then_some(())
            .ok_or(taken.to_string())
    });
    // What is left goes to clients, so that there is none for a dial.
    let mut last = Vec::new();
    while taken(&server) < DESCRIPTORS {
        last.push(greeted(server.address));
    }
    let mut client = last.pop().unwrap();
    let reply = exchange(&mut client, &connect_request(target), 10);
    assert_eq!(reply[..2], [5, 1]);
    is_closed(client);

    for (number, client) in open.iter_mut().enumerate() {
        round_trip(client, number);
    }
    // There is room for one again, and a dial finds its descriptor.
    drop((open, last));
    round_trip(&mut tunnel(server.address, target), 0);
    before.is_restored(4 * MIB);
}

#[test]
fn bulk_data_without_pipes_comes_whole() {
    let file = File::new(OPEN);
    let server = short_of_descriptors(&file);
    let target = echo();
    let before = Before::of(&server);

    let mut open = tunnels(&server, target);
    let mut hungry = reach(server.address);
    hungry.write_all(b"\x05\x01\x00").unwrap();
    is_exhausted(&server);
    thread::scope(|scope| {
        for (number, client) in open.iter_mut().enumerate() {
            scope.spawn(move || echoes(client, &pattern(2 * MIB, number)));
        }
    });
    // All of them are still there, so that there was no descriptor for a pipe.
    let pipes = Descriptors::of(server.process.id()).pipes;
    assert_eq!(pipes, before.descriptors().pipes);
    drop((open, hungry));
    before.is_restored(16 * MIB);

    // With descriptors again, the same takes pipes.
    echoes(&mut tunnel(server.address, target), &pattern(8 * MIB, 0));
    assert!(Descriptors::of(server.process.id()).pipes > pipes);
}
