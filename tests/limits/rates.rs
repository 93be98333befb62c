//! Bandwidth by request, with a burst, and changed while tunnels are open.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout};
use tower_socks::{
    Identity, Request,
    io::{Direction, Meter},
    layer::{
        key,
        meter::{Bandwidth, MakeMeter, Rates},
    },
    proto::{Address, Command},
};

fn request(name: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(name);
    request
}

/// Moves so many bytes down, as a relay does, and returns how long that takes.
async fn time_for(meter: &mut impl Meter, mut bytes: usize) -> Duration {
    let started = Instant::now();
    while bytes > 0 {
        let may = poll_fn(|cx| meter.poll_allowance(cx, Direction::Down)).await;
        let moved = may.unwrap().min(bytes).min(64 * 1024);
        meter.moved(Direction::Down, moved);
        bytes -= moved;
    }
    // All of it is paid.
    poll_fn(|cx| meter.poll_allowance(cx, Direction::Down))
        .await
        .unwrap();
    started.elapsed()
}

fn assert_about(time: Duration, seconds: f64) {
    let off = (time.as_secs_f64() - seconds).abs();
    assert!(off < 0.15 + seconds / 50.0, "{time:?} is not {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_burst_moves_at_once_and_once() {
    let rates = Rates::new().down(1_000_000).burst(0, 5_000_000);
    let bandwidth = Bandwidth::by_request(rates, key::user);
    let mut meter = bandwidth
        .meter(&request("joe"))
        .now()
        .unwrap()
        .unwrap()
        .unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_about(time_for(&mut meter, 5_000_000).await, 0.0);
    let fullest = bandwidth.fullest(1);
    assert_eq!(fullest[0].most, 5_000_000);
    assert!(fullest[0].used > 4_900_000, "{fullest:?}");
    assert_about(time_for(&mut meter, 2_000_000).await, 2.0);
    // Coming back at once, and however many others have come meanwhile, is no new burst.
    drop(meter);
    for other in 0..1_000 {
        drop(
            bandwidth
                .meter(&request(&format!("other {other}")))
                .now()
                .unwrap()
                .unwrap(),
        );
    }
    let mut meter = bandwidth
        .meter(&request("joe"))
        .now()
        .unwrap()
        .unwrap()
        .unwrap();
    assert_about(time_for(&mut meter, 2_000_000).await, 2.0);
    // Refilled in five seconds.
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_about(time_for(&mut meter, 6_000_000).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn open_tunnels_have_the_rate_of_the_latest_request() {
    let down = Arc::new(AtomicU64::new(1_000_000));
    let now = Arc::clone(&down);
    let bandwidth = Bandwidth::by_request(
        move |_: &Request| Some(Rates::new().down(now.load(Ordering::Relaxed))),
        key::user,
    );
    let joe = request("joe");
    let mut meter = bandwidth.meter(&joe).now().unwrap().unwrap().unwrap();
    assert_about(time_for(&mut meter, 3_000_000).await, 3.0);
    down.store(10_000_000, Ordering::Relaxed);
    let _latest = bandwidth.meter(&joe).now().unwrap().unwrap();
    assert_about(time_for(&mut meter, 3_000_000).await, 0.3);
    down.store(1_000_000, Ordering::Relaxed);
    let _latest = bandwidth.meter(&joe).now().unwrap().unwrap();
    assert_about(time_for(&mut meter, 5_000_000).await, 5.0);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_long_looks_again_when_the_rate_is_set() {
    let bandwidth = Bandwidth::by_request(Rates::new().down(1_000), key::user);
    let mut meter = bandwidth
        .meter(&request("joe"))
        .now()
        .unwrap()
        .unwrap()
        .unwrap();
    let other = bandwidth.clone();
    // At the old rate it is a thousand seconds.
    meter.moved(Direction::Down, 1_000_000);
    let waits = tokio::spawn(async move {
        let time = time_for(&mut meter, 1).await;
        (meter, time)
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.set_rates(|_| Some(Rates::new().down(1_000_000)));
    let (mut meter, time) = timeout(Duration::from_secs(5), waits)
        .await
        .unwrap()
        .unwrap();
    assert_about(time, 2.0);

    // No limit, for one that waits, and a limit again.
    meter.moved(Direction::Down, 100_000_000);
    let waits = tokio::spawn(async move {
        let time = time_for(&mut meter, 1_000_000_000).await;
        (meter, time)
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.set_rates(|_| None);
    let (mut meter, time) = timeout(Duration::from_secs(5), waits)
        .await
        .unwrap()
        .unwrap();
    assert_about(time, 1.0);
    other.set_rates(|_| Some(Rates::new().down(1_000_000)));
    assert_about(time_for(&mut meter, 2_000_000).await, 2.0);
}
