//! What each layer costs a session, one by one.
//!
//! ```text
//! cargo bench --all-features --bench layers
//! ```
//!
//! The session is in memory: greeting, CONNECT, reply, end. Each line has one layer more than the first, and shows
//! what it adds: nanoseconds, allocations and bytes that are asked for from accept to close, and `idle`, the bytes that
//! an open tunnel keeps for it. Rounds of all lines are interleaved, and medians are shown; allocations are counted apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod harness;

use std::{
    io,
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use allocation_counter::measure;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    runtime::Runtime,
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, HandshakeLayer, NoAuth, Request, Rules,
    layer::{
        key,
        limit::{ConcurrentTunnels, LimitLayer, RequestRate},
        meter::{Bandwidth, ByteQuota, MeterLayer},
        metrics::{RequestMetricsLayer, SessionMetricsLayer},
        mixed::MixedLayer,
        record::{Record, Recorder, Sink},
        socks4::Socks4Layer,
        trace::TraceLayer,
        track::OpenTunnels,
    },
    proto::Address,
    rules::{Action, Network, Rule},
    session::{Accepted, Connected},
};

use harness::{median, number, progress, scale};

/// A target that says nothing, and ends when it is told to.
#[derive(Default)]
struct Silent {
    ended: bool,
    reader: Option<Waker>,
}

impl AsyncRead for Silent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }
}

/// A service that has a tunnel at once.
fn nowhere() -> impl Service<Request, Response = Connected<Silent>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(|_: Request| {
        std::future::ready(Ok(Connected::new(Silent::default(), Address::UNSPECIFIED)))
    })
}

fn accepted() -> (DuplexStream, Accepted<DuplexStream>) {
    let (client, io) = tokio::io::duplex(256);
    let nowhere = ([127, 0, 0, 1], 1080).into();
    (client, Accepted::new(io, nowhere, nowhere))
}

/// Until the tunnel is open.
async fn ask(client: &mut DuplexStream) {
    client.write_all(b"\x05\x01\x00").await.unwrap();
    client.read_exact(&mut [0; 2]).await.unwrap();
    let request = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb";
    client.write_all(request).await.unwrap();
    client.read_exact(&mut [0; 10]).await.unwrap();
}

/// A session from its greeting to its end.
async fn session<S: Service<Accepted<DuplexStream>, Error = BoxError>>(stack: S) {
    let (mut client, accepted) = accepted();
    let talk = async {
        ask(&mut client).await;
        client.shutdown().await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(stack.oneshot(accepted), talk);
    assert!(outcome.is_ok());
}

/// What a line is called, and how it is measured.
struct Line {
    name: &'static str,
    /// Seconds of so many sessions.
    time: Time,
    /// Allocations and bytes of a session, and the bytes of an open tunnel.
    count: Count,
}

type Time = Box<dyn Fn(&Runtime, usize) -> f64>;
type Count = Box<dyn Fn(&Runtime) -> [f64; 3]>;

impl Line {
    fn new<S>(name: &'static str, stack: S) -> Self
    where
        S: Service<Accepted<DuplexStream>, Error = BoxError> + Clone + 'static,
    {
        let other = stack.clone();
        let time = move |runtime: &Runtime, sessions| {
            let started = Instant::now();
            for _ in 0..sessions {
                runtime.block_on(session(stack.clone()));
            }
            started.elapsed().as_secs_f64()
        };
        let count = move |runtime: &Runtime| {
            // What is there once, and not for each session, is there by now.
            runtime.block_on(session(other.clone()));
            let whole = measure(|| runtime.block_on(session(other.clone())));
            let mut open = None;
            let held = measure(|| {
                let (mut client, accepted) = accepted();
                let mut serving = Box::pin(other.clone().oneshot(accepted));
                runtime.block_on(async {
                    let talk = async {
                        ask(&mut client).await;
                        // The relay waits by then.
                        tokio::task::yield_now().await;
                    };
                    tokio::select! {
                        biased;
                        _ = &mut serving => panic!("the session has ended"),
                        () = talk => {}
                    }
                });
                open = Some((serving, client));
            });
            let counted = [whole.count_total, whole.bytes_total].map(|all| all as f64);
            let idle = held.bytes_current as f64;
            if let Some((serving, client)) = open.take() {
                drop(client);
                drop(serving);
            }
            [counted[0], counted[1], idle]
        };
        Self {
            name,
            time: Box::new(time),
            count: Box::new(count),
        }
    }
}

/// Hears of everything, and keeps nothing.
struct Deaf;

impl Sink for Deaf {
    fn ended(&self, record: &Record) {
        std::hint::black_box(record);
    }
}

fn lines() -> Vec<Line> {
    /// A stack whose lower half is below the base.
    macro_rules! below {
        ($($layer:expr),* $(,)?) => {
            ServiceBuilder::new()
                .layer(HandshakeLayer::new())
                .layer(AuthLayer::new(NoAuth))
                $(.layer($layer))*
                .service(nowhere())
        };
    }
    let rate = NonZeroU32::new(u32::MAX).unwrap();
    let recorder = Recorder::new([Arc::new(Deaf) as Arc<dyn Sink>]);
    let base = || {
        ServiceBuilder::new()
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .service(nowhere())
    };
    let mixed = MixedLayer::new()
        .socks5(HandshakeLayer::new())
        .socks4(Socks4Layer::new());
    let ruled = |many: u32| {
        let mut rules = Rules::builder(Action::Allow);
        for number in 0..many {
            let text = format!("198.18.{}.{}", number / 250, number % 250);
            let rule = Rule::new(Action::Deny).to(text.parse::<Network>().unwrap());
            rules = rules.rule(rule);
        }
        AclLayer::new(rules.build())
    };
    vec![
        Line::new("handshake and auth", base()),
        Line::new(
            "concurrency limit (tower)",
            ServiceBuilder::new().concurrency_limit(10).service(base()),
        ),
        Line::new("deadline of the dialogue", {
            ServiceBuilder::new()
                .layer(HandshakeLayer::new().deadline(Duration::from_secs(10)))
                .layer(AuthLayer::new(NoAuth))
                .service(nowhere())
        }),
        Line::new(
            "mixed: SOCKS4 beside",
            ServiceBuilder::new()
                .layer(mixed)
                .layer(AuthLayer::new(NoAuth))
                .service(nowhere()),
        ),
        Line::new("timeout (tower)", {
            ServiceBuilder::new()
                .layer(HandshakeLayer::new())
                .layer(AuthLayer::new(NoAuth))
                .timeout(Duration::from_secs(30))
                .service(nowhere())
        }),
        Line::new("acl: default rules", below!(ruled(0))),
        Line::new("acl: 1,000 rules", below!(ruled(1_000))),
        Line::new(
            "limit: requests",
            below!(LimitLayer::new(RequestRate::per_second(rate, key::client))),
        ),
        Line::new(
            "limit: tunnels",
            below!(LimitLayer::new(ConcurrentTunnels::new(10, key::client))),
        ),
        Line::new(
            "meter: bandwidth",
            below!(MeterLayer::new(
                Bandwidth::new(key::client).down(u64::MAX / 4)
            )),
        ),
        Line::new(
            "meter: quota",
            below!(MeterLayer::new(ByteQuota::new(
                u64::MAX / 4,
                Duration::from_secs(86_400),
                key::client
            ))),
        ),
        Line::new("track: the live list", below!(OpenTunnels::new().layer())),
        Line::new("trace, nobody listens", below!(TraceLayer::new())),
        Line::new(
            "metrics, no recorder",
            ServiceBuilder::new()
                .layer(SessionMetricsLayer::new())
                .service(below!(RequestMetricsLayer::new())),
        ),
        Line::new(
            "record: one sink",
            ServiceBuilder::new()
                .layer(recorder.sessions().listener("bench"))
                .service(below!(recorder.requests())),
        ),
        Line::new("a box around all (tower)", BoxCloneSyncService::new(base())),
    ]
}

fn main() {
    let rounds = scale(number("--rounds", 15), 1);
    let sessions = scale(number("--sessions", 4_000), 10);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let lines = lines();
    let mut added = vec![Vec::new(); lines.len()];
    for round in 0..rounds {
        let mut first = 0.0;
        for (place, line) in lines.iter().enumerate() {
            progress(format_args!("layers: {}, round {round}", line.name));
            let each = (line.time)(&runtime, sessions) / sessions as f64 * 1e9;
            added[place].push(each - first);
            if place == 0 {
                first = each;
            }
        }
    }
    progress(format_args!(""));
    println!(
        "layers: what each adds to the first line, {rounds} rounds of {sessions} sessions in memory"
    );
    println!(
        "{:<26} {:>8} {:>12} {:>8} {:>8}",
        "", "ns", "allocations", "bytes", "idle"
    );
    let base = (lines[0].count)(&runtime);
    for (place, (line, added)) in lines.iter().zip(added).enumerate() {
        let counted = (line.count)(&runtime);
        let less = if place == 0 { [0.0; 3] } else { base };
        println!(
            "{:<26} {:>8.0} {:>12.0} {:>8.0} {:>8.0}",
            line.name,
            median(added),
            counted[0] - less[0],
            counted[1] - less[1],
            counted[2] - less[2]
        );
    }
}
