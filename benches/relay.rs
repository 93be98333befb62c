//! What it costs to move bytes between two sockets.
//!
//! ```text
//! cargo bench --bench relay
//! cargo bench --bench relay -- --rounds 5 --megabytes 2000
//! ```
//!
//! Sources and sinks are blocking threads, and the relay has a thread of its own, on loopback. Only
//! the thread of the relay is counted, with what the kernel does on its behalf. `Relay` and tokio's
//! `copy_bidirectional` take turns, round by round, and the medians are shown.
//!
//! * `CPU s/GB`: seconds that the relay's thread was on the CPU per 10^9 bytes.
//! * `GB/s`: 10^9 bytes per second on the clock, over all tunnels. Source and sink share the CPUs
//!   with the relay.
//! * `CPU us/trip`: microseconds that the relay's thread was on the CPU for one byte there and
//!   back.
//! * `CPU` and `speed` in the last columns: as a multiple of `Relay`'s.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::expect_used, clippy::print_stderr)]

mod harness;

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{copy_bidirectional, copy_bidirectional_with_sizes},
    runtime,
    task::JoinSet,
};
use tower_socks::relay::Relay;

use harness::{clock::thread_cpu, median, number, progress, scale};

#[derive(Clone, Copy)]
enum Copier {
    Relay,
    Tokio8,
    Tokio64,
}

const COPIERS: [(Copier, &str); 3] = [
    (Copier::Relay, "Relay"),
    (Copier::Tokio8, "copy_bidirectional 8 KiB"),
    (Copier::Tokio64, "copy_bidirectional 64 KiB"),
];

#[derive(Clone, Copy)]
enum Work {
    /// Bytes from the client to the target.
    Up(usize),
    /// Bytes from the target to the client.
    Down(usize),
    /// Round trips of one byte.
    PingPong(usize),
}

/// One measurement: seconds.
struct Sample {
    cpu: f64,
    wall: f64,
}

fn main() {
    let bytes = scale(number("--megabytes", 400) * 1_000_000, 2_000_000);
    let rounds = scale(number("--rounds", 3), 1);
    // Round trips are short, and depend on how the threads meet.
    let trip_rounds = scale(3 * rounds, 1);
    let cells = [
        ("client to target", 1, Work::Up(bytes), rounds),
        ("client to target", 8, Work::Up(bytes), rounds),
        ("target to client", 1, Work::Down(bytes), rounds),
        ("target to client", 8, Work::Down(bytes), rounds),
        (
            "ping-pong",
            1,
            Work::PingPong(scale(6_000, 64)),
            trip_rounds,
        ),
        (
            "ping-pong",
            32,
            Work::PingPong(scale(32_000, 64)),
            trip_rounds,
        ),
    ];
    println!("relay: rounds of {} MB", bytes / 1_000_000);
    for (name, tunnels, work, rounds) in cells {
        let mut samples = [const { Vec::new() }; COPIERS.len()];
        for round in 0..rounds {
            for ((copier, copier_name), samples) in COPIERS.iter().zip(&mut samples) {
                progress(format_args!(
                    "{name}, {tunnels}: {copier_name}, round {round}"
                ));
                samples.push(run(*copier, tunnels, work));
            }
        }
        progress(format_args!(""));
        print_table(name, tunnels, work, &samples);
    }
}

fn print_table(name: &str, tunnels: usize, work: Work, samples: &[Vec<Sample>; COPIERS.len()]) {
    let cost = |samples: &[Sample]| median(samples.iter().map(|sample| sample.cpu));
    let time = |samples: &[Sample]| median(samples.iter().map(|sample| sample.wall));
    // What the CPU column is per, and what the speed column counts.
    let (units, cpu_per, speed_units, amount) = match work {
        Work::Up(bytes) | Work::Down(bytes) => {
            ("CPU s/GB", bytes as f64 / 1e9, "GB/s", bytes as f64 / 1e9)
        }
        Work::PingPong(trips) => (
            "CPU us/trip",
            trips as f64 / 1e6,
            "trips/ms",
            trips as f64 / 1e3,
        ),
    };
    println!();
    println!(
        "{:<28} {units:>12} {speed_units:>9} {:>7} {:>7}",
        format!("{name}, tunnels: {tunnels}"),
        "CPU",
        "speed"
    );
    for ((_, copier), own) in COPIERS.iter().zip(samples) {
        println!(
            "  {copier:<26} {:>12.3} {:>9.2} {:>6.2}x {:>6.2}x",
            cost(own) / cpu_per,
            amount / time(own),
            cost(own) / cost(&samples[0]),
            time(&samples[0]) / time(own),
        );
    }
}

/// Has `copier` do the work in so many tunnels together.
fn run(copier: Copier, tunnels: usize, work: Work) -> Sample {
    let (mut clients, mut targets, mut inside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..tunnels {
        let (client, near) = pair();
        let (far, target) = pair();
        clients.push(client);
        targets.push(target);
        inside.push((near, far));
    }
    let (start, started) = mpsc::channel();
    let proxy = thread::spawn(move || relay_all(copier, inside, &start));
    started.recv().unwrap();
    let began = Instant::now();
    match work {
        Work::Up(bytes) => stream(clients, targets, bytes / tunnels),
        Work::Down(bytes) => stream(targets, clients, bytes / tunnels),
        Work::PingPong(trips) => ping_pong(clients, targets, trips / tunnels),
    }
    let wall = began.elapsed().as_secs_f64();
    Sample {
        cpu: proxy.join().unwrap().as_secs_f64(),
        wall,
    }
}

/// Relays until all tunnels are closed, and says how much CPU that took.
fn relay_all(
    copier: Copier,
    tunnels: Vec<(TcpStream, TcpStream)>,
    start: &mpsc::Sender<()>,
) -> Duration {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let tunnels: Vec<_> = tunnels
            .into_iter()
            .map(|(near, far)| (register(near), register(far)))
            .collect();
        let before = thread_cpu();
        start.send(()).unwrap();
        let mut running = JoinSet::new();
        for (client, target) in tunnels {
            running.spawn(relay(copier, client, target));
        }
        while let Some(moved) = running.join_next().await {
            moved.unwrap().unwrap();
        }
        thread_cpu() - before
    })
}

async fn relay(
    copier: Copier,
    mut client: tokio::net::TcpStream,
    mut target: tokio::net::TcpStream,
) -> io::Result<()> {
    const SIZE: usize = 64 * 1024;
    match copier {
        Copier::Relay => drop(Relay::new().run(client, target).await?),
        Copier::Tokio8 => drop(copy_bidirectional(&mut client, &mut target).await?),
        Copier::Tokio64 => {
            copy_bidirectional_with_sizes(&mut client, &mut target, SIZE, SIZE).await?;
        }
    }
    Ok(())
}

fn register(socket: TcpStream) -> tokio::net::TcpStream {
    socket.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(socket).unwrap()
}

/// Two ends of a connection on loopback.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for end in [&near, &far] {
        end.set_nodelay(true).unwrap();
    }
    (near, far)
}

/// Writes into all sources, and reads all sinks to their ends.
fn stream(sources: Vec<TcpStream>, sinks: Vec<TcpStream>, bytes: usize) {
    thread::scope(|scope| {
        for mut source in sources {
            scope.spawn(move || {
                let buffer = vec![0x5a; 256 * 1024];
                let mut left = bytes;
                while left > 0 {
                    let turn = left.min(buffer.len());
                    source.write_all(&buffer[..turn]).unwrap();
                    left -= turn;
                }
                source.shutdown(Shutdown::Write).unwrap();
                assert_eq!(source.read(&mut [0; 1]).unwrap(), 0, "nothing comes back");
            });
        }
        for mut sink in sinks {
            scope.spawn(move || {
                let mut buffer = vec![0; 1024 * 1024];
                let mut total = 0;
                while let read @ 1.. = sink.read(&mut buffer).unwrap() {
                    total += read;
                }
                assert_eq!(total, bytes, "all of it arrives");
            });
        }
    });
}

/// One byte through every tunnel and back, over and over.
fn ping_pong(mut clients: Vec<TcpStream>, mut targets: Vec<TcpStream>, trips: usize) {
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut byte = [0; 1];
            for _ in 0..trips {
                for target in &mut targets {
                    target.read_exact(&mut byte).unwrap();
                    target.write_all(&byte).unwrap();
                }
            }
        });
        let mut byte = [0; 1];
        for _ in 0..trips {
            for client in &mut clients {
                client.write_all(b"!").unwrap();
            }
            for client in &mut clients {
                client.read_exact(&mut byte).unwrap();
            }
        }
    });
}
