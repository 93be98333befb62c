//! The example server among peers that do not answer, do not read, and reset.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    faults::{
        Before, OPEN, eventually, flags,
        peers::{asked, echo, greeted, is_closed, round_trip, target, tunnel},
    },
    program::{Server, connect_request, file::File},
};

const MIB: usize = 1024 * 1024;

fn start(file: &File) -> Server {
    Server::start(&flags(file.path()), "warn")
}

#[test]
fn an_upstream_that_accepts_and_never_answers_costs_its_time_and_nothing_else() {
    for scheme in ["socks5h", "http"] {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = upstream.local_addr().unwrap();
        let file = File::new(&format!(
            "upstream = \"{scheme}://{address}\"\n[timeouts]\ndial = \"1s\"\n{OPEN}"
        ));
        let server = start(&file);
        let before = Before::of(&server);
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let (client, code) = asked(server.address, "192.0.2.1:80".parse().unwrap());
                    assert_eq!(code, 6, "{scheme}");
                    is_closed(client);
                });
            }
        });
        // All of them have reached it, and it has nobody left.
        for _ in 0..20 {
            let (mut stream, _) = upstream.accept().unwrap();
            let limit = Some(Duration::from_secs(20));
            stream.set_read_timeout(limit).unwrap();
            _ = stream.read_to_end(&mut Vec::new());
        }
        before.is_restored(8 * MIB);
    }
}

/// A target that sends for as long as somebody takes it, and counts.
fn saturating(sent: Arc<AtomicUsize>) -> SocketAddr {
    target(move |mut stream| {
        let chunk = vec![b'x'; 64 * 1024];
        while let Ok(written @ 1..) = stream.write(&chunk) {
            sent.fetch_add(written, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_peer_that_reads_a_byte_a_second_has_a_bound_and_disturbs_nobody() {
    const SLOW: usize = 16;

    let file = File::new(OPEN);
    let server = start(&file);
    let sent = Arc::new(AtomicUsize::new(0));
    let (flood, quiet) = (saturating(sent.clone()), echo());
    let mut other = tunnel(server.address, quiet);
    round_trip(&mut other, 0);
    let before = Before::of(&server);

    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| tunnel(server.address, flood)).collect();
    let mut all = 0;
    for second in 0..3 {
        for client in &mut slow {
            client.read_exact(&mut [0; 1]).unwrap();
        }
        for number in 0..100 {
            round_trip(&mut other, number);
            round_trip(&mut tunnel(server.address, quiet), number);
        }
        before.has_grown_less_than(8 * MIB);
        // This is the fault, and nothing waits for it.
        thread::sleep(Duration::from_secs(1));
        all = sent.load(Ordering::Relaxed);
        assert!(all > 0, "nothing after {second} s");
    }
    // The senders have come to a halt: what is on the way is in the system's buffers.
    eventually("the senders wait", || {
        let now = sent.load(Ordering::Relaxed);
        let moved = now - std::mem::replace(&mut all, now);
        thread::sleep(Duration::from_millis(100));
        (moved == 0)
            .then_some(())
            .ok_or(format!("{moved} more bytes"))
    });
    drop(slow);
    round_trip(&mut other, 1);
    before.is_restored(8 * MIB);
}

/// Closes with a reset.
fn reset(client: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
}

#[test]
fn clients_that_open_and_reset_leave_nothing_behind() {
    const ROUNDS: usize = 20_000;

    let file = File::new(OPEN);
    let server = start(&file);
    let (quiet, running) = (echo(), AtomicBool::new(true));
    let warm = |rounds: usize| {
        for round in 0..rounds {
            match round % 4 {
                // As far as a quarter of them come: to the door, into the handshake, ...
                0 => reset(TcpStream::connect(server.address).unwrap()),
                1 => {
                    let mut client = TcpStream::connect(server.address).unwrap();
                    client.write_all(b"\x05\x01\x00\x05\x01").unwrap();
                    reset(client);
                }
                // ... into the dial, ...
                2 => {
                    let mut client = TcpStream::connect(server.address).unwrap();
                    client.write_all(b"\x05\x01\x00").unwrap();
                    client.write_all(&connect_request(quiet)).unwrap();
                    reset(client);
                }
                // ... and into the tunnel.
                _ => {
                    let mut client = tunnel(server.address, quiet);
                    client.write_all(b"hello").unwrap();
                    reset(client);
                }
            }
        }
    };
    let mut other = tunnel(server.address, quiet);
    round_trip(&mut other, 0);
    let before = Before::of(&server);
    // What the allocator keeps is there after a while.
    warm(ROUNDS / 10);
    before.is_restored(16 * MIB);
    let before = Before::of(&server);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while running.load(Ordering::Relaxed) {
                round_trip(&mut other, number);
                number += 1;
            }
            assert!(number > 0);
        });
        let quarters: Vec<_> = (0..2).map(|_| scope.spawn(|| warm(ROUNDS / 2))).collect();
        let ended: Vec<_> = quarters.into_iter().map(|part| part.join()).collect();
        running.store(false, Ordering::Relaxed);
        ended.into_iter().for_each(|part| part.unwrap());
    });
    before.is_restored(4 * MIB);
}

#[test]
fn what_is_left_of_half_closed_and_silent_peers_ends_in_time() {
    let file = File::new(&format!("[timeouts]\nhalf_closed = \"1s\"\n{OPEN}"));
    let server = start(&file);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let before = Before::of(&server);
    let mut open = Vec::new();
    for _ in 0..50 {
        let client = tunnel(server.address, silent.local_addr().unwrap());
        client.shutdown(Shutdown::Write).unwrap();
        open.push((client, silent.accept().unwrap().0));
    }
    // Neither end goes by itself.
    before.is_restored(4 * MIB);
    for (client, _target) in open {
        is_closed(client);
    }
    // A client that is about to ask is none of them.
    drop(greeted(server.address));
}
