//! The example server among clients that say nothing, and told to reload or to stop meanwhile.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::support::{
    faults::{
        Before, Descriptors, OPEN, eventually, flags,
        peers::{echo, echoes, greeted, is_closed, pattern, reach, round_trip, tunnel},
        raise_descriptor_limit,
    },
    program::{Server, connect_request, exchange, file::File},
};

const MIB: usize = 1024 * 1024;

#[test]
fn slow_handshakes_end_at_the_deadline_and_disturb_nobody() {
    let most = raise_descriptor_limit();
    // Others of this test have sockets as well.
    let count = (most / 2).saturating_sub(500).min(10_000);
    assert!(count >= 1000, "a limit of {most} descriptors is too low");
    let file = File::new(&format!(
        "[limits]\nsessions = 20_000\nsessions_per_client = 20_000\nunauthenticated_per_client = 20_000\n\
         [timeouts]\nhandshake = \"10s\"\n{OPEN}"
    ));
    let server = Server::start(&flags(file.path()), "warn");
    let target = echo();
    let mut other = tunnel(server.address, target);
    round_trip(&mut other, 0);
    let before = Before::of(&server);

    // The deadline leaves time for all of them to be there at once.
    let mut slow = Vec::with_capacity(count);
    for number in 0..count {
        let mut client = reach(server.address);
        // Nothing, a part of a greeting, or everything but the last byte of a request.
        client
            .write_all(
                [
                    &b""[..],
                    b"\x05",
                    b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00",
                ][number % 3],
            )
            .unwrap();
        slow.push((client, number % 3));
        // Behind a new tunnel all earlier ones are accepted: the queue of the listener never overflows,
        // which would hold up a client for a second.
        if number % 50 == 0 {
            round_trip(&mut other, number);
            round_trip(&mut tunnel(server.address, target), number);
        }
    }
    // What a session may do in the end is in its stack from the beginning: not optimised, some 9 KiB each.
    before.has_grown_less_than(count * 10 * 1024 + 8 * MIB);
    for (mut client, said) in slow {
        if said == 2 {
            let mut selection = [0; 2];
            client.read_exact(&mut selection).unwrap();
        }
        is_closed(client);
    }
    round_trip(&mut other, 1);
    // The allocator keeps a part of what so many took.
    before.is_restored(count * 10 * 1024 + 8 * MIB);
}

#[test]
fn a_reload_disturbs_neither_handshakes_nor_bulk_data() {
    const RELOADS: usize = 50;

    let file = File::new(OPEN);
    let mut server = Server::start(&flags(file.path()), "warn,server=info");
    let (address, target) = (server.address, echo());
    let idle = Descriptors::of(server.process.id()).others;
    // What a reload needs for itself is there, and what it has had retire is closed.
    server.signal(Signal::HUP);
    server.says("reloaded");
    eventually("the duplicate of the listener is closed", || {
        let now = Descriptors::of(server.process.id()).others;
        (now <= idle).then_some(()).ok_or(now.to_string())
    });
    let before = Before::of(&server);

    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..4 {
            let done = &done;
            scope.spawn(move || {
                echoes(&mut tunnel(address, target), &pattern(8 * MIB, number));
                done.fetch_add(1, Ordering::Relaxed);
            });
            scope.spawn(move || {
                for round in 0.. {
                    if done.load(Ordering::Relaxed) == 4 {
                        assert!(round > 0);
                        return;
                    }
                    // A byte at a time, so that there is a reload within.
                    let mut client = reach(address);
                    for byte in b"\x05\x01\x00" {
                        client.write_all(&[*byte]).unwrap();
                    }
                    client.read_exact(&mut [0; 2]).unwrap();
                    let request = connect_request(target);
                    client.write_all(&request[..5]).unwrap();
                    assert_eq!(exchange(&mut client, &request[5..], 10)[1], 0);
                    round_trip(&mut client, round);
                }
            });
        }
        for _ in 0..RELOADS {
            server.signal(Signal::HUP);
            server.says("reloaded");
        }
    });
    before.is_restored(16 * MIB);
}

#[test]
fn the_signal_to_stop_lets_handshakes_and_bulk_data_end() {
    let file = File::new(&format!("[timeouts]\nhandshake = \"60s\"\n{OPEN}"));
    let mut server = Server::start(&flags(file.path()), "warn,server=info");
    let idle = Descriptors::of(server.process.id()).others;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let mut bulk: Vec<(TcpStream, TcpStream)> = (0..4)
        .map(|_| (tunnel(server.address, target), listener.accept().unwrap().0))
        .collect();
    // On the way, and further than the buffers of the system.
    for (client, _) in &mut bulk {
        client
            .set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client.write_all(&pattern(MIB, 0)).unwrap();
    }
    let mut asking: Vec<TcpStream> = (0..20).map(|_| greeted(server.address)).collect();
    let mut greeting: Vec<TcpStream> = (0..20).map(|_| reach(server.address)).collect();
    for client in &mut greeting {
        client.write_all(b"\x05\x01").unwrap();
    }
    eventually("all of them are accepted", || {
        let sockets = Descriptors::of(server.process.id()).others - idle;
        (sockets == 8 + 40).then_some(()).ok_or(sockets.to_string())
    });

    server.signal(Signal::TERM);
    server.says("stopping");
    eventually("the listener is closed", || {
        let late = TcpStream::connect(server.address);
        late.map_or(Ok(()), |_| Err("somebody is let in".into()))
    });
    let echo = echo();
    // Who was there before is served.
    for client in &mut greeting {
        assert_eq!(exchange(client, b"\x00", 2), b"\x05\x00");
    }
    for client in asking.iter_mut().chain(&mut greeting) {
        assert_eq!(exchange(client, &connect_request(echo), 10)[1], 0);
        round_trip(client, 3);
    }
    thread::scope(|scope| {
        for (mut client, mut target) in bulk {
            scope.spawn(move || {
                client.write_all(&pattern(7 * MIB, MIB)).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                let mut heard = Vec::new();
                client.read_to_end(&mut heard).unwrap();
                assert_eq!(heard, b"bye");
            });
            scope.spawn(move || {
                let mut heard = Vec::new();
                target.read_to_end(&mut heard).unwrap();
                assert!(heard == pattern(8 * MIB, 0), "{} bytes", heard.len());
                target.write_all(b"bye").unwrap();
            });
        }
    });
    drop((asking, greeting));
    assert!(server.ends().success());
}
