//! How often a connection asks for memory, and how much of it an open tunnel keeps.
//!
//! ```text
//! cargo bench --bench allocations
//! ```
//!
//! A stack of all layers under `serve` is compared with a proxy that is written by hand on tokio.
//! Both run on a thread of their own, whose allocations alone are counted. What is shown is the
//! difference between a run with many connections and one with few, per connection:
//!
//! * `allocations`, `bytes`: from accept to close, with one byte there and back.
//! * `bytes open`: what is allocated while the tunnel is open and idle.
//!
//! It counts, so one round is enough. The counting is a benchmark of its own because it costs time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::expect_used, clippy::print_stderr)]

mod harness;

use std::{
    net::{SocketAddr, SocketAddrV4, TcpListener},
    thread,
    time::Duration,
};

use allocation_counter::AllocationInfo;
use tokio::{runtime, sync::oneshot};

use harness::{
    peers::{open_tunnel, start_echo, visit},
    proxy::{Proxy, log_warnings},
    scale,
};

fn main() {
    log_warnings();
    let target = start_echo();
    let connections = scale(1_000, 20);
    println!("allocations: {connections} connections");
    println!(
        "{:<14} {:>12} {:>12} {:>12}",
        "", "allocations", "bytes", "bytes open"
    );
    for proxy in Proxy::BOTH {
        let each = |more: u64, less: u64| (more as f64 - less as f64) / connections as f64;
        let closed = |count| {
            count_in(proxy, |address| {
                (0..count).for_each(|_| visit(address, target));
            })
        };
        let (few, many) = (closed(50), closed(50 + connections));
        let open = |count| count_in(proxy, |address| hold(address, target, count));
        let (few_open, many_open) = (open(50), open(50 + connections / 4));
        println!(
            "{:<14} {:>12.1} {:>12.0} {:>12.0}",
            proxy.name(),
            each(many.count_total, few.count_total),
            each(many.bytes_total, few.bytes_total),
            4.0 * each(many_open.bytes_max, few_open.bytes_max),
        );
    }
}

/// Opens tunnels, and closes them one by one when all of them are open.
fn hold(address: SocketAddr, target: SocketAddrV4, count: usize) {
    let tunnels: Vec<_> = (0..count).map(|_| open_tunnel(address, target)).collect();
    thread::sleep(Duration::from_millis(50));
    drop(tunnels);
}

/// Counts what the thread of a proxy allocates while `work` uses it.
fn count_in(proxy: Proxy, work: impl FnOnce(SocketAddr)) -> AllocationInfo {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        allocation_counter::measure(|| {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    ended = proxy.run(listener) => panic!("the proxy ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        })
    });
    work(address);
    thread::sleep(Duration::from_millis(50));
    drop(stop);
    thread.join().unwrap()
}
