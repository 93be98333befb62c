//! Bytes of users over all servers.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    node::{Node, text, until},
    server::Server as Redis,
};

/// A target that sends what it hears back.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut from = client.try_clone().unwrap();
                let mut to = client;
                std::io::copy(&mut from, &mut to)
            });
        }
    });
    address
}

/// Sends so much through a tunnel of joe's, and returns how much came back before it ended.
fn moved(node: &Node, target: SocketAddr, bytes: usize) -> Result<usize, u8> {
    let (code, mut client) = node.connect("joe", target);
    if code != 0 {
        return Err(code);
    }
    let mut writer = client.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let sent = writer.write_all(&vec![7; bytes]);
        _ = writer.shutdown(std::net::Shutdown::Write);
        sent
    });
    let (mut moved, mut buffer) = (0, vec![0; 64 * 1024]);
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        moved += read;
    }
    _ = sending.join();
    Ok(moved)
}

#[test]
fn a_quota_is_that_of_all_servers() {
    let redis = Redis::start();
    let limits = "[limits]\nbytes_per_day = \"1 MB\"\n";
    let (mut one, two) = (Node::join(&redis, limits), Node::join(&redis, limits));
    let target = echo();
    // There and back: 400 kB at each.
    for node in [&one, &two] {
        assert_eq!(moved(node, target, 200_000), Ok(200_000));
    }
    // Both together have no more than 200 kB left.
    let rest: usize = [&one, &two]
        .map(|node| moved(node, target, 300_000).unwrap_or(0))
        .iter()
        .sum();
    assert!(rest <= 200_000, "{rest}");
    until("it is used up", || {
        [&one, &two]
            .iter()
            .all(|node| moved(node, target, 300_000) == Err(2))
    });
    // More by a reload of one is more at that one.
    one.file
        .write(&text(&redis, "[limits]\nbytes_per_day = \"2 MB\"\n"));
    one.server.signal(Signal::HUP);
    one.server.says("reloaded");
    assert_eq!(moved(&one, target, 100_000), Ok(100_000));
}

#[test]
fn a_bandwidth_is_that_of_all_servers() {
    let redis = Redis::start();
    let limits = "[limits]\nupload = \"200 kB/s\"\nupload_burst = \"100 kB\"\n";
    let (one, two) = (Node::join(&redis, limits), Node::join(&redis, limits));
    let target = echo();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for node in [&one, &two] {
            scope.spawn(|| assert_eq!(moved(node, target, 200_000), Ok(200_000)));
        }
    });
    // 400 kB less a burst and leases by 200 kB/s: each for itself would take a second less.
    assert!(
        started.elapsed() > Duration::from_millis(1000),
        "{:?}",
        started.elapsed()
    );
}
