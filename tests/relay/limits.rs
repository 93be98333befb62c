//! The limits of a relay, and the timer behind them.

use std::{
    future::{Future, poll_fn},
    io, mem,
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinHandle, coop::consume_budget},
    time::{Instant, sleep},
};
use tower_socks::{
    Traffic,
    relay::{Relay, RelayError, RelayErrorKind},
};

type Running = JoinHandle<io::Result<Traffic>>;

/// Two ends of a tunnel in memory.
fn tunnel(relay: Relay, room: usize) -> (DuplexStream, DuplexStream, Running) {
    let (client, near) = duplex(room);
    let (far, target) = duplex(room);
    (client, target, tokio::spawn(relay.run(near, far)))
}

fn broken(outcome: io::Result<Traffic>) -> RelayError {
    let error = outcome.unwrap_err().into_inner().unwrap();
    *error.downcast::<RelayError>().unwrap()
}

#[tokio::test(start_paused = true)]
async fn idle_limit_slides_with_traffic_each_way() {
    let limit = Duration::from_secs(60);
    let started = Instant::now();
    let (mut client, mut target, running) = tunnel(Relay::new().idle_timeout(limit), 64);
    for _ in 0..5 {
        sleep(Duration::from_secs(50)).await;
        client.write_all(b"a").await.unwrap();
        target.read_exact(&mut [0]).await.unwrap();
        sleep(Duration::from_secs(50)).await;
        target.write_all(b"b").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
    }
    let error = broken(running.await.unwrap());
    assert_eq!(error.kind(), RelayErrorKind::Idle);
    assert_eq!(error.traffic(), Traffic { up: 5, down: 5 });
    assert_eq!(started.elapsed().as_secs(), 500 + 60);
}

#[tokio::test(start_paused = true)]
async fn half_closed_tunnel_lingers_only_so_long() {
    let started = Instant::now();
    let relay = Relay::new().half_close_timeout(Duration::from_secs(10));
    let (mut client, mut target, running) = tunnel(relay, 64);
    sleep(Duration::from_secs(100)).await;
    client.shutdown().await.unwrap();
    assert_eq!(target.read(&mut [0]).await.unwrap(), 0);
    // The linger slides as well.
    for _ in 0..3 {
        sleep(Duration::from_secs(9)).await;
        target.write_all(b"x").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
    }
    let error = broken(running.await.unwrap());
    assert_eq!(error.kind(), RelayErrorKind::HalfClosed);
    assert_eq!(started.elapsed().as_secs(), 100 + 27 + 10);
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_possible() {
    let relay = Relay::new()
        .idle_timeout(Duration::MAX)
        .half_close_timeout(Duration::MAX);
    let (mut client, mut target, running) = tunnel(relay, 64);
    sleep(Duration::from_secs(365 * 86_400)).await;
    client.shutdown().await.unwrap();
    sleep(Duration::from_secs(365 * 86_400)).await;
    target.write_all(b"still here").await.unwrap();
    target.shutdown().await.unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "still here");
    assert!(running.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_moves_to_another_task_is_woken_there() {
    let limit = Duration::from_secs(60);
    let (mut client, near) = duplex(64);
    let (far, _target) = duplex(64);
    let mut relay = Box::pin(Relay::new().idle_timeout(limit).run(near, far));
    let mut first = tokio_test::task::spawn(());
    first.enter(|cx, _| assert!(relay.as_mut().poll(cx).is_pending()));
    let mut second = tokio_test::task::spawn(());
    second.enter(|cx, _| assert!(relay.as_mut().poll(cx).is_pending()));
    // Back and forth, and with something to do in between.
    client.write_all(b"x").await.unwrap();
    second.enter(|cx, _| assert!(relay.as_mut().poll(cx).is_pending()));
    first.enter(|cx, _| assert!(relay.as_mut().poll(cx).is_pending()));
    second.enter(|cx, _| assert!(relay.as_mut().poll(cx).is_pending()));

    sleep(limit + Duration::from_secs(1)).await;
    assert!(second.is_woken() && !first.is_woken());
    let Poll::Ready(outcome) = second.enter(|cx, _| relay.as_mut().poll(cx)) else {
        panic!("the limit has passed");
    };
    assert_eq!(broken(outcome).kind(), RelayErrorKind::Idle);
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_a_task_that_had_used_up_its_turn_when_it_began() {
    let started = Instant::now();
    let (_client, near) = duplex(64);
    let (far, _target) = duplex(64);
    let relay = Relay::new().idle_timeout(Duration::from_secs(60));
    let task = tokio::spawn(async move {
        let mut relay = pin!(relay.run(near, far));
        let mut fresh = true;
        poll_fn(|cx| {
            while mem::take(&mut fresh) && pin!(consume_budget()).poll(cx).is_ready() {
                fresh = true;
            }
            relay.as_mut().poll(cx)
        })
        .await
    });
    let error = broken(task.await.unwrap());
    assert_eq!(error.kind(), RelayErrorKind::Idle);
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_from_when_the_relay_begins() {
    let limit = Duration::from_secs(10);
    let (_client, near) = duplex(64);
    let (far, _target) = duplex(64);
    let relay = Relay::new().idle_timeout(limit).run(near, far);
    sleep(limit * 2).await;
    let started = Instant::now();
    assert_eq!(broken(relay.await).kind(), RelayErrorKind::Idle);
    assert_eq!(started.elapsed(), limit);
}
