//! What an idle tunnel costs in memory.
//!
//! ```text
//! cargo bench --bench idle
//! ```
//!
//! The proxy runs in a process of its own with two worker threads. 100 tunnels are opened and
//! closed, 500 are opened and stay; from there on, 5,000 more are opened, each of which carries one
//! byte there and back and then is quiet. `bytes per tunnel` is what the resident memory of the
//! proxy grew by (`VmRSS`), divided by 5,000; what the kernel keeps for sockets is not part of it.
//! The hand-written proxy uses `copy_bidirectional`. The one port serves SOCKS5, SOCKS4 and, with
//! `--features http-server`, HTTP; its rows differ in what the clients speak. With UDP over TCP the octet travels
//! in a datagram, for which the proxy has a socket of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::expect_used, clippy::print_stderr)]

mod harness;

use std::{thread::sleep, time::Duration};

use harness::{
    child::{ProxyProcess, serve_if_child},
    clock::resident,
    median, number,
    peers::{open_tunnel_by, start_echo, start_udp_echo, visit_by},
    progress,
    proxy::Proxy,
    raise_descriptor_limit, scale,
};

const THREADS: usize = 2;

fn main() {
    serve_if_child();
    raise_descriptor_limit();
    let tunnels = scale(number("--tunnels", 5_000), 20);
    let rounds = scale(number("--rounds", 3), 1);
    let target = start_echo();
    start_udp_echo(target);
    let mut samples = vec![Vec::new(); Proxy::ALL.len()];
    for round in 0..rounds {
        for (&proxy, samples) in Proxy::ALL.iter().zip(&mut samples) {
            progress(format_args!("idle: {}, round {round}", proxy.name()));
            let process = ProxyProcess::start(proxy, THREADS);
            for _ in 0..tunnels / 50 {
                visit_by(proxy.spoken(), process.address, target);
            }
            let mut open = Vec::new();
            let grow = |open: &mut Vec<_>, count: usize| {
                open.extend(
                    (0..count).map(|_| open_tunnel_by(proxy.spoken(), process.address, target)),
                );
                // The proxy may still be busy with the last of them.
                sleep(Duration::from_millis(200));
                resident(process.id())
            };
            let before = grow(&mut open, tunnels / 10);
            let after = grow(&mut open, tunnels);
            samples.push((before, (after - before) / tunnels as f64));
        }
    }
    progress(format_args!(""));
    println!("idle: {tunnels} tunnels, {THREADS} worker threads, {rounds} rounds");
    println!("{:<14} {:>18} {:>16}", "", "bytes per tunnel", "MiB before");
    for (proxy, samples) in Proxy::ALL.iter().zip(&samples) {
        println!(
            "{:<14} {:>18.0} {:>16.1}",
            proxy.name(),
            median(samples.iter().map(|(_, each)| *each)),
            median(samples.iter().map(|(before, _)| *before)) / 1024.0 / 1024.0,
        );
    }
}
