//! Tunnels below one bandwidth: each has its turns, and a limit is paid for by whichever tunnel comes next.

use std::{
    future::poll_fn,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Identity, Request, Traffic, Tunnel,
    io::{Direction, Meter, PrefixedStream},
    layer::{
        key,
        meter::{Bandwidth, MakeMeter, MeterLayer},
    },
    proto::{Address, Command},
    session::Connected,
};

const RATE: u64 = 2_000_000;
const TIME: Duration = Duration::from_secs(10);

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

/// A tunnel of joe's through layers: its source, its sink and its end.
async fn tunnel<L>(layer: L, direction: Direction) -> (DuplexStream, DuplexStream, Running)
where
    L: Layer<
            Dialer,
            Service: tower::Service<Request, Response: Tunnel + 'static, Error = BoxError>,
        >,
{
    let (near, target) = tokio::io::duplex(64 * 1024);
    let near = Arc::new(Mutex::new(Some(near)));
    let connector: Dialer = service_fn(move |_: Request| {
        let near = near.lock().unwrap().take().unwrap();
        async { Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED)) }
    })
    .boxed_clone();
    let tunnel = layer.layer(connector).oneshot(request("joe")).await;
    let tunnel = tunnel.unwrap_or_else(|_| panic!("no tunnel"));
    let (client, server) = tokio::io::duplex(64 * 1024);
    let running = tokio::spawn(tunnel.run(PrefixedStream::new(server)));
    match direction {
        Direction::Up => (client, target, running),
        Direction::Down => (target, client, running),
    }
}

type Dialer = crate::support::targets::Dialer;
type Running = JoinHandle<io::Result<Traffic>>;

/// What one sink has heard, and the longest time without anything.
#[derive(Debug, Default)]
struct Heard {
    bytes: usize,
    longest: Duration,
}

/// Floods the source for a while, and listens to the sink.
fn listen(
    (mut source, mut sink, running): (DuplexStream, DuplexStream, Running),
) -> JoinHandle<Heard> {
    tokio::spawn(async move { while source.write_all(&[0; 16 * 1024]).await.is_ok() {} });
    tokio::spawn(async move {
        let (started, mut heard) = (Instant::now(), Heard::default());
        let mut last = started;
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(Ok(read @ 1..)) =
            tokio::time::timeout_at(started + TIME, sink.read(&mut buffer)).await
        {
            heard.bytes += read;
            heard.longest = heard.longest.max(last.elapsed());
            last = Instant::now();
        }
        heard.longest = heard.longest.max(last.elapsed());
        // What comes for a sink that is gone is discarded, for which there is no limit.
        running.abort();
        heard
    })
}

async fn all(tunnels: Vec<JoinHandle<Heard>>) -> Vec<Heard> {
    let mut all = Vec::new();
    for tunnel in tunnels {
        all.push(tunnel.await.unwrap());
    }
    all
}

/// All within a factor of 1.5, nobody silent for more than a second, and the rate is what it should be.
fn assert_fair(heard: &[Heard], rate: u64) {
    let count = heard.len();
    let bytes = || heard.iter().map(|heard| heard.bytes);
    let (least, most) = (bytes().min().unwrap(), bytes().max().unwrap());
    assert!(most as f64 <= 1.5 * least as f64, "{count}: {heard:?}");
    let silent = heard.iter().map(|heard| heard.longest).max().unwrap();
    assert!(silent <= Duration::from_secs(1), "{count}: {silent:?}");
    let off = bytes().sum::<usize>() as f64 / (rate as f64 * TIME.as_secs_f64()) - 1.0;
    assert!(off.abs() < 0.05, "{count}: {off}");
}

#[tokio::test(start_paused = true)]
async fn each_tunnel_has_an_equal_share_and_is_never_silent_for_long() {
    for direction in [Direction::Up, Direction::Down] {
        for count in [2, 20, 50, 200] {
            let bandwidth = Bandwidth::new(key::user).up(RATE).down(RATE);
            let mut tunnels = Vec::new();
            for _ in 0..count {
                let layer = MeterLayer::new(bandwidth.clone());
                tunnels.push(listen(tunnel(layer, direction).await));
            }
            assert_fair(&all(tunnels).await, RATE);
        }
    }
}

/// Their turns come at different times, and each limit has its own queue.
#[tokio::test(start_paused = true)]
async fn two_limits_on_one_tunnel_are_both_kept_and_both_fair() {
    let user = Bandwidth::new(key::user).down(RATE);
    let all_together = Bandwidth::new(key::global).down(RATE + 1000);
    let mut tunnels = Vec::new();
    for _ in 0..20 {
        let layers = tower::ServiceBuilder::new()
            .layer(MeterLayer::new(all_together.clone()))
            .layer(MeterLayer::new(user.clone()));
        tunnels.push(listen(tunnel(layers.into_inner(), Direction::Down).await));
    }
    assert_fair(&all(tunnels).await, RATE);
}

/// One that comes late, is idle or says little is not behind those that move much.
#[tokio::test(start_paused = true)]
async fn idle_tunnels_take_no_turns_and_a_small_message_has_one_soon() {
    let bandwidth = Bandwidth::new(key::user).up(RATE).down(RATE);
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(tunnel(MeterLayer::new(bandwidth.clone()), Direction::Down).await);
    }
    let mut tunnels = Vec::new();
    for _ in 0..20 {
        let layer = MeterLayer::new(bandwidth.clone());
        tunnels.push(listen(tunnel(layer, Direction::Down).await));
    }
    for (mut source, mut sink, _running) in idle.drain(..20) {
        let started = Instant::now();
        source.write_all(b"hello").await.unwrap();
        sink.read_exact(&mut [0; 5]).await.unwrap();
        assert!(
            started.elapsed() <= Duration::from_millis(500),
            "{:?}",
            started.elapsed()
        );
    }
    assert_fair(&all(tunnels).await, RATE);
}

/// A limit is not forgotten with its last tunnel.
#[tokio::test(start_paused = true)]
async fn one_tunnel_after_the_other_moves_no_more_than_one() {
    const SLOW: u64 = 10_000;
    for direction in [Direction::Up, Direction::Down] {
        let bandwidth = Bandwidth::new(key::user).up(SLOW).down(SLOW);
        let (started, mut moved) = (Instant::now(), 0);
        while started.elapsed() < TIME {
            let layer = MeterLayer::new(bandwidth.clone());
            let (mut source, mut sink, running) = tunnel(layer, direction).await;
            let _ = source.write(&[0; 64 * 1024]).await.unwrap();
            moved += sink.read(&mut [0; 64 * 1024]).await.unwrap();
            running.abort();
            let _ = running.await;
        }
        // A second's worth for what is on the way at the end.
        assert!(moved as u64 <= SLOW * 11, "{direction:?}: {moved}");
    }
}

/// What comes whole may exceed a turn, and is paid for with the next ones, by this tunnel first.
#[tokio::test(start_paused = true)]
async fn batches_beyond_a_turn_are_paid_for() {
    let bandwidth = Bandwidth::new(key::user).up(RATE);
    let mut tasks = Vec::new();
    for batch in [100_000, 100_000, 20_000, 20_000, 20_000] {
        let mut meter = bandwidth
            .meter(&request("joe"))
            .now()
            .unwrap()
            .unwrap()
            .unwrap();
        tasks.push(tokio::spawn(async move {
            let (started, mut heard) = (Instant::now(), Heard::default());
            let mut last = started;
            while started.elapsed() < TIME {
                let turn = poll_fn(|cx| meter.poll_allowance(cx, Direction::Up)).await;
                let bytes = turn.unwrap().max(batch);
                meter.moved(Direction::Up, bytes);
                heard.bytes += bytes;
                heard.longest = heard.longest.max(last.elapsed());
                last = Instant::now();
                sleep(Duration::from_millis(1)).await;
            }
            heard
        }));
    }
    assert_fair(&all(tasks).await, RATE);
}

/// A tunnel that has asked for its turn and does not come for it holds nobody up.
#[tokio::test(start_paused = true)]
async fn one_that_does_not_come_for_its_turn_is_passed_over() {
    let bandwidth = Bandwidth::new(key::user).up(RATE);
    let mut first = bandwidth
        .meter(&request("joe"))
        .now()
        .unwrap()
        .unwrap()
        .unwrap();
    first.moved(Direction::Up, 100_000);
    let mut absent = Vec::new();
    for _ in 0..3 {
        let mut meter = bandwidth
            .meter(&request("joe"))
            .now()
            .unwrap()
            .unwrap()
            .unwrap();
        let asked = poll_fn(|cx| meter.poll_allowance(cx, Direction::Up)).now_or_never();
        assert!(asked.is_none(), "not before the first has paid");
        absent.push(meter);
    }
    let started = Instant::now();
    let allowance = poll_fn(|cx| first.poll_allowance(cx, Direction::Up)).await;
    assert!(allowance.unwrap() > 0);
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    // They come later, and have a turn as anybody.
    for mut meter in absent {
        let allowance = poll_fn(|cx| meter.poll_allowance(cx, Direction::Up)).await;
        assert!(allowance.unwrap() > 0);
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}
