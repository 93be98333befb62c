//! Whether a bandwidth limit holds over real sockets and in real time.
//!
//! ```text
//! cargo bench --bench bandwidth --features limit
//! ```
//!
//! One user's tunnels share a rate for ten seconds, each way, and every sender sends what it can. One
//! line for each: what has arrived against the rate, and the smallest share of a tunnel. Not a
//! matter of speed, but not for a test either: it takes its time, and the machine's noise is in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod harness;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower::ServiceBuilder;
use tower_socks::{
    Connector,
    io::Direction,
    layer::{
        key,
        meter::{Bandwidth, MeterLayer},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// A tunnel from a client to a target.
async fn tunnel(proxy: SocketAddr, target: &TcpListener) -> (TcpStream, TcpStream) {
    let SocketAddr::V4(address) = target.local_addr().unwrap() else {
        unreachable!("targets are on 127.0.0.1");
    };
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"\x05\x01\x00").await.unwrap();
    client.write_all(b"\x05\x01\x00\x01").await.unwrap();
    client.write_all(&address.ip().octets()).await.unwrap();
    client.write_u16(address.port()).await.unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    (client, target.accept().await.unwrap().0)
}

/// What has arrived in each tunnel.
async fn arrived(rate: u64, tunnels: usize, direction: Direction, time: Duration) -> Vec<u64> {
    let bandwidth = Bandwidth::new(key::client);
    let bandwidth = match direction {
        Direction::Up => bandwidth.up(rate),
        Direction::Down => bandwidth.down(rate),
    };
    let connector = ServiceBuilder::new()
        .layer(MeterLayer::new(bandwidth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let server = tokio::spawn(harness::proxy::run_stack(listener, connector));
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();

    let mut tasks = tokio::task::JoinSet::new();
    let mut counts = Vec::new();
    for _ in 0..tunnels {
        let (client, far) = tunnel(proxy, &target).await;
        let (mut from, mut to) = match direction {
            Direction::Up => (client, far),
            Direction::Down => (far, client),
        };
        let count = Arc::new(AtomicU64::new(0));
        counts.push(Arc::clone(&count));
        tasks.spawn(async move {
            let zeros = vec![0; 64 * 1024];
            while from.write_all(&zeros).await.is_ok() {}
        });
        tasks.spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = to.read(&mut buffer).await {
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
    }
    // Without the burst that a new bucket allows, and what fills the buffers of sockets.
    sleep(SECOND).await;
    let all = || counts.iter().map(|count| count.load(Ordering::Relaxed));
    let before: Vec<u64> = all().collect();
    let started = Instant::now();
    sleep(time).await;
    let share = time.as_secs_f64() / started.elapsed().as_secs_f64();
    let moved = all().zip(before).map(|(after, before)| after - before);
    let moved = moved.map(|bytes| (bytes as f64 * share) as u64).collect();
    tasks.shutdown().await;
    server.abort();
    moved
}

fn main() {
    harness::raise_descriptor_limit();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let time = harness::scale(10 * SECOND, Duration::from_millis(50));
    println!("bandwidth: for {time:?} each");
    println!(
        "{:>8} {:>8} {:>5} {:>10} {:>16}",
        "MB/s", "tunnels", "direction", "deviation", "smallest share"
    );
    for rate in [1_000_000, 50_000_000] {
        for tunnels in [1, 64] {
            for direction in [Direction::Up, Direction::Down] {
                harness::progress(format_args!("bandwidth: {rate} {tunnels} {direction:?}"));
                let moved = runtime.block_on(arrived(rate, tunnels, direction, time));
                let sum = moved.iter().sum::<u64>() as f64;
                let off = sum / (rate as f64 * time.as_secs_f64()) - 1.0;
                let least = moved.iter().min().map_or(0.0, |least| *least as f64);
                harness::progress(format_args!(""));
                println!(
                    "{:>8} {tunnels:>8} {:>5} {:>9.2}% {:>15.2}",
                    rate / 1_000_000,
                    format!("{direction:?}").to_lowercase(),
                    off * 100.0,
                    least * tunnels as f64 / sum,
                );
            }
        }
    }
}
