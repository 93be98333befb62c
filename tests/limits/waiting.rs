//! Requests that are admitted later: they wait outside of the connector, and who goes away is forgotten.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};
use tower_socks::{
    Identity, Request,
    error::reply_code,
    layer::{
        key,
        limit::{ConcurrentTunnels, LimitLayer, RequestRate},
    },
    proto::{Address, Command, ReplyCode},
};

use crate::support::targets::targets;

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_dialled_once_a_tunnel_has_ended_and_in_order() {
    let (connector, mut incoming) = targets();
    let tunnels = ConcurrentTunnels::new(1, key::user).wait(Duration::from_secs(60));
    let service = LimitLayer::new(tunnels.clone()).layer(connector);
    let first = service.clone().oneshot(request("joe")).await.unwrap();
    incoming.recv().await.unwrap();

    let second = tokio::spawn(service.clone().oneshot(request("joe")));
    sleep(Duration::from_secs(1)).await;
    let third = tokio::spawn(service.clone().oneshot(request("joe")));
    sleep(Duration::from_secs(1)).await;
    assert!(incoming.try_recv().is_err(), "nobody else is dialled for");
    // Others are not concerned.
    drop(service.clone().oneshot(request("jane")).await.unwrap());
    incoming.recv().await.unwrap();

    drop(first);
    let second = second.await.unwrap().unwrap();
    incoming.recv().await.unwrap();
    assert!(!third.is_finished());
    drop(second);
    drop(third.await.unwrap().unwrap());
    assert_eq!((tunnels.live(&"joe".into()), tunnels.keys()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_refused_and_never_dialled_for() {
    let (connector, mut incoming) = targets();
    let tunnels = ConcurrentTunnels::new(1, key::user).wait(Duration::from_secs(60));
    let service = LimitLayer::new(tunnels.clone()).layer(connector);
    let _first = service.clone().oneshot(request("joe")).await.unwrap();
    incoming.recv().await.unwrap();
    let started = Instant::now();
    let error = service.oneshot(request("joe")).await.err().unwrap();
    assert_eq!(started.elapsed().as_secs(), 60);
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
    assert!(
        error.to_string().contains("has 1 tunnels already"),
        "{error}"
    );
    assert!(incoming.try_recv().is_err());
    assert_eq!(tunnels.live(&"joe".into()), 1);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_waiting_leaves_the_place_to_the_next() {
    let (connector, mut incoming) = targets();
    let tunnels = ConcurrentTunnels::new(1, key::user).wait(Duration::from_secs(60));
    let service = LimitLayer::new(tunnels.clone()).layer(connector);
    let first = service.clone().oneshot(request("joe")).await.unwrap();
    incoming.recv().await.unwrap();
    let gone = tokio::spawn(service.clone().oneshot(request("joe")));
    advance(Duration::from_secs(1)).await;
    let next = tokio::spawn(service.oneshot(request("joe")));
    advance(Duration::from_secs(1)).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    drop(first);
    let next = next.await.unwrap().unwrap();
    incoming.recv().await.unwrap();
    assert!(incoming.try_recv().is_err(), "one dial for one request");
    drop(next);
    assert_eq!(tunnels.keys(), 0);
}

/// As long as it takes: no time is too long to be added up.
#[tokio::test(start_paused = true)]
async fn a_wait_without_end_is_a_wait() {
    let (connector, mut incoming) = targets();
    let rate = RequestRate::per_minute(NonZeroU32::MIN, key::user).wait(Duration::MAX);
    let tunnels = ConcurrentTunnels::new(usize::MAX, key::user).wait(Duration::MAX);
    let service = LimitLayer::new(rate).layer(LimitLayer::new(tunnels).layer(connector));
    let started = Instant::now();
    for minute in 0..3 {
        service.clone().oneshot(request("joe")).await.unwrap();
        incoming.recv().await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 60 * minute);
    }

    // And one of a single tunnel waits for its end.
    let (connector, _incoming) = targets();
    let tunnels = ConcurrentTunnels::new(1, key::user).wait(Duration::MAX);
    let service = LimitLayer::new(tunnels).layer(connector);
    let first = service.clone().oneshot(request("joe")).await.unwrap();
    let second = tokio::spawn(service.oneshot(request("joe")));
    sleep(Duration::from_secs(86_400)).await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().is_ok());
}
