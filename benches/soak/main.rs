//! The example server under mixed load with churn, for as long as one likes.
//!
//! ```text
//! cargo bench --bench soak -- --seconds 3600
//! ```
//!
//! The server is a process of its own. A first run of a third of the time, ten minutes at most, warms it
//! up; then comes the load again, for the rest of the time, with a reload every second. After each
//! of the two all clients have gone, and what the server has is read once it is at rest: no session
//! open, and no descriptor more than before. It passes if
//!
//! * every byte and every datagram came back as it was sent, and no session went wrong,
//! * the server's own numbers say that no session and no tunnel is open, and that at least as many
//!   bytes passed as were checked,
//! * all its descriptors but pipes are as many as before the first client; of pipes, each of its
//!   threads keeps 16 at most,
//! * its resident memory (`VmRSS`, the smallest of ten samples over a second) is at most 5 % above
//!   that after the warm-up; not judged where that took less than 10 s, in which the allocator has
//!   not come to what it keeps,
//! * and its log has no warning.
//!
//! 60 s by default, and two in `cargo bench -- --test`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod dialogue;
#[path = "../harness/mod.rs"]
mod harness;
mod load;
mod server;

use std::{
    sync::{Arc, atomic::Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use harness::{clock::resident, measuring, number, progress, raise_descriptor_limit};
use load::{KINDS, Places, Tallies, run};
use server::Server;

const MIB: f64 = 1024.0 * 1024.0;

/// What the server has when nobody is there.
#[derive(Clone, Copy, Debug)]
struct Rest {
    memory: f64,
    pipes: usize,
    others: usize,
}

impl Rest {
    /// Waits until no session is open and so many descriptors are, for a minute at most.
    fn of(server: &Server, others: Option<usize>) -> Self {
        let started = Instant::now();
        loop {
            let (sessions, tunnels) = server.numbers().open();
            let (pipes, now) = server.descriptors();
            let at_rest =
                sessions == 0.0 && tunnels == 0.0 && others.is_none_or(|before| now <= before);
            if at_rest || started.elapsed() > Duration::from_secs(60) {
                let mut rest = Self {
                    memory: resident(server.id()),
                    pipes,
                    others: now,
                };
                for _ in 0..10 {
                    sleep(Duration::from_millis(100));
                    rest.memory = rest.memory.min(resident(server.id()));
                    // The connection that asked for the numbers may still have been there.
                    rest.others = rest.others.min(server.descriptors().1);
                }
                return rest;
            }
            sleep(Duration::from_millis(50));
        }
    }
}

fn main() {
    raise_descriptor_limit();
    let seconds = if measuring() {
        number("--seconds", 60)
    } else {
        2
    };
    let time = Duration::from_secs(seconds.max(2) as u64);
    let warm_up = (time / 3).min(Duration::from_secs(600));
    // As this program is: a soak of a moment need not wait for optimised builds.
    let server = Server::start(measuring() && !cfg!(debug_assertions));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    // Bound, so that nobody else gets the port, and not listened on.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let places = runtime.block_on(async {
        Places {
            server: server.address,
            echo: dialogue::echo().await,
            closed: closed.local_addr().unwrap(),
        }
    });

    let before = Rest::of(&server, None);
    let tallies: Arc<Tallies> = Arc::default();
    let mut peak = before.memory;
    let mut phase = |name: &str, time: Duration| {
        let ends = Instant::now() + time;
        runtime.block_on(async {
            let tallies = tallies.clone();
            let mut load = tokio::spawn(async move { run(places, &tallies, time).await });
            while tokio::time::timeout(Duration::from_secs(1), &mut load)
                .await
                .is_err()
            {
                server.reload();
                peak = peak.max(resident(server.id()));
                let left = ends.saturating_duration_since(Instant::now()).as_secs();
                progress(format_args!("soak: {name}, {left} s left"));
            }
        });
        Rest::of(&server, Some(before.others))
    };
    let warm = phase("warm-up", warm_up);
    let after = phase("load", time - warm_up);
    progress(format_args!(""));

    let numbers = server.numbers();
    let wrong = judge(&tallies, &numbers, [before, warm, after], warm_up);
    println!(
        "soak: {} s, of which {} s are the warm-up",
        time.as_secs(),
        warm_up.as_secs()
    );
    table(&tallies);
    println!(
        "\n{:<24} {:>10} {:>10} {:>10}",
        "the server at rest", "before", "warm", "after"
    );
    let rests = [before, warm, after];
    let [memory, others, pipes] = [
        rests.map(|rest| format!("{:.2}", rest.memory / MIB)),
        rests.map(|rest| rest.others.to_string()),
        rests.map(|rest| rest.pipes.to_string()),
    ];
    for (name, [before, warm, after]) in [
        ("memory, MiB", memory),
        ("descriptors", others),
        ("ends of pipes", pipes),
    ] {
        println!("{name:<24} {before:>10} {warm:>10} {after:>10}");
    }
    println!("{:<24} {:>10.2}", "most memory, MiB", peak / MIB);
    let (sessions, tunnels) = numbers.open();
    println!(
        "{:<24} {:>10} {:>10}",
        "sessions, tunnels", sessions, tunnels
    );

    let mut wrong: Vec<String> = wrong;
    wrong.extend(server.stop());
    for problem in wrong.iter().take(20) {
        eprintln!("WRONG: {problem}");
    }
    assert!(wrong.is_empty(), "{} things went wrong", wrong.len());
    println!("all is well");
}

/// What is not as it has to be.
fn judge(
    tallies: &Tallies,
    numbers: &server::Numbers,
    [before, warm, after]: [Rest; 3],
    warm_up: Duration,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for ((kind, _), tally) in KINDS.iter().zip(tallies) {
        wrong.extend(tally.failures.lock().unwrap().iter().cloned());
        checked += tally.bytes.load(Ordering::Relaxed);
        if tally.sessions.load(Ordering::Relaxed) == 0 {
            wrong.push(format!("{kind:?}: no session was whole"));
        }
    }
    let passed = numbers.sum("socks_bytes_total", &[]);
    if passed < checked as f64 {
        wrong.push(format!(
            "the server counts {passed} bytes, and {checked} were checked"
        ));
    }
    let dropped = numbers.sum("socks_datagrams_dropped_total", &[]);
    if dropped > 0.0 {
        wrong.push(format!("the server has dropped {dropped} datagrams"));
    }
    let open = numbers.open();
    if open != (0.0, 0.0) {
        wrong.push(format!("sessions and tunnels are open: {open:?}"));
    }
    let threads = std::thread::available_parallelism().unwrap().get();
    for rest in [warm, after] {
        if rest.others != before.others || rest.pipes > before.pipes + 2 * 16 * threads {
            wrong.push(format!("descriptors: {before:?}, then {rest:?}"));
        }
    }
    if after.memory > warm.memory * 1.05 && warm_up >= Duration::from_secs(10) {
        let grown = (after.memory / warm.memory - 1.0) * 100.0;
        wrong.push(format!("memory has grown by {grown:.1} %"));
    }
    wrong
}

fn table(tallies: &Tallies) {
    println!(
        "{:<10} {:>8} {:>12} {:>12} {:>12} {:>9}",
        "", "workers", "sessions", "MiB checked", "datagrams", "failures"
    );
    for ((kind, workers), tally) in KINDS.iter().zip(tallies) {
        println!(
            "{:<10} {:>8} {:>12} {:>12.1} {:>12} {:>9}",
            format!("{kind:?}"),
            workers,
            tally.sessions.load(Ordering::Relaxed),
            tally.bytes.load(Ordering::Relaxed) as f64 / MIB,
            tally.datagrams.load(Ordering::Relaxed),
            tally.failures.lock().unwrap().len(),
        );
    }
}
