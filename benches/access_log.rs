//! What the access log costs, and what it does when more is written than a disk takes.
//!
//! ```text
//! cargo bench --bench access_log
//! ```
//!
//! Sessions in memory, from the greeting to the end of a tunnel that has moved an octet each way, on one thread. `CPU us` is
//! what a session takes of the process, the thread that writes among it: without records, with records that nobody
//! keeps, and with lines in a file, in each format. `flood` opens 10,000 sessions a second for some seconds, in JSON: lines of
//! the file and those that were dropped and counted have to be all sessions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    // Parts of the program, of which not all is needed.
    dead_code,
    unused_imports
)]

#[path = "../examples/server/access_log/mod.rs"]
mod access_log;
mod harness;
#[path = "../examples/server/log/mod.rs"]
mod log;
#[path = "../examples/server/timeouts.rs"]
mod timeouts;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use access_log::{AccessLog, Format, Lines};
use harness::{median, number, scale};
use log::{Place, Privacy};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_socks::{
    AuthLayer, HandshakeLayer, NoAuth, Request, Traffic,
    layer::record::{Record, Recorder, Sink},
    proto::Address,
    session::{Accepted, Connected},
};

/// Keeps nothing.
struct Nobody;

impl Sink for Nobody {
    fn hears_of_starts(&self) -> bool {
        false
    }

    fn ended(&self, _: &Record) {}
}

type Stack = BoxCloneSyncService<Accepted<tokio::io::DuplexStream>, Traffic, BoxError>;

fn stack(recorder: Option<&Recorder>) -> Stack {
    let dial = service_fn(async |_: Request| {
        let (near, mut far) = tokio::io::duplex(64);
        tokio::spawn(async move {
            let mut octet = [0];
            if far.read_exact(&mut octet).await.is_ok() {
                _ = far.write_all(&octet).await;
            }
        });
        Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
    });
    let auth = AuthLayer::new(NoAuth);
    match recorder {
        None => BoxCloneSyncService::new(HandshakeLayer::new().layer(auth.layer(dial))),
        Some(recorder) => BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(recorder.sessions().listener("127.0.0.1:1080"))
                .layer(HandshakeLayer::new())
                .layer(auth)
                .layer(recorder.requests())
                .service(dial),
        ),
    }
}

async fn session(stack: Stack) {
    let (mut client, server) = tokio::io::duplex(64);
    let accepted = Accepted::new(
        server,
        ([192, 0, 2, 1], 50_000).into(),
        ([127, 0, 0, 1], 1080).into(),
    );
    let running = tokio::spawn(stack.oneshot(accepted));
    let request = b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbb";
    client.write_all(request).await.unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    client.write_all(b"x").await.unwrap();
    client.read_exact(&mut [0]).await.unwrap();
    drop(client);
    running.await.unwrap().unwrap();
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

fn lines(format: Format) -> (Lines, std::path::PathBuf) {
    let name = format!("tower-socks-bench-{}-{format:?}.log", std::process::id());
    let path = std::env::temp_dir().join(name);
    let settings = AccessLog {
        file: Place::File(path.clone()),
        format,
        interim: None,
    };
    (Lines::start(&settings, Privacy::default()).unwrap(), path)
}

fn main() {
    let sessions = scale(number("--sessions", 50_000), 100);
    let rounds = scale(number("--rounds", 5), 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (json, json_path) = lines(Format::Json);
    let (squid, squid_path) = lines(Format::Squid);
    let recorder = |sink: Arc<dyn Sink>| Recorder::new([sink]);
    let stacks = [
        ("none", stack(None)),
        ("records", stack(Some(&recorder(Arc::new(Nobody))))),
        ("json", stack(Some(&recorder(Arc::new(json.clone()))))),
        ("squid", stack(Some(&recorder(Arc::new(squid.clone()))))),
    ];
    let mut samples = vec![Vec::new(); stacks.len()];
    for _ in 0..rounds {
        for ((_, stack), samples) in stacks.iter().zip(&mut samples) {
            let before = cpu();
            runtime.block_on(async {
                for _ in 0..sessions {
                    session(stack.clone()).await;
                }
            });
            json.flush();
            squid.flush();
            samples.push((cpu() - before).as_secs_f64() * 1e6 / sessions as f64);
        }
    }
    let costs: Vec<_> = samples.into_iter().map(median).collect();
    for ((name, _), cost) in stacks.iter().zip(&costs) {
        let more = cost - costs.first().unwrap();
        println!("access_log  {name:8} {cost:6.2} CPU us/session, {more:5.2} more than without");
    }

    // A flood.
    let seconds = scale(number("--seconds", 5), 1);
    let (flooded, path) = lines(Format::Json);
    let _ = fs::write(&path, "");
    let stack = stack(Some(&recorder(Arc::new(flooded.clone()))));
    let (mut opened, started) = (0_u64, Instant::now());
    runtime.block_on(async {
        while started.elapsed() < Duration::from_secs(seconds as u64) {
            let due = started.elapsed().as_micros() as u64 / 100;
            while opened < due {
                session(stack.clone()).await;
                opened += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let took = started.elapsed().as_secs_f64();
    assert!(flooded.flush());
    let written = fs::read_to_string(&path).unwrap().lines().count() as u64;
    let counts = flooded.counts();
    assert_eq!(
        (written, written + counts.dropped),
        (counts.written, opened)
    );
    println!(
        "access_log  flood    {:.0} sessions/s, {written} lines, {} dropped and counted",
        opened as f64 / took,
        counts.dropped
    );
    for path in [json_path, squid_path, path] {
        _ = fs::remove_file(path);
    }
}
