//! Nothing that goes through another proxy waits for ever: lookups, and names with many addresses.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, Client,
    connector::resolve::Lookup,
    connector::upstream::{HttpUpstream, Socks5Upstream, Transport},
    error::reply_code,
    proto::{Address, ReplyCode},
    session::Connected,
};

use crate::support::{
    HELLO_OK, Script,
    canned::{Canned, Then},
    failure,
    upstream::{guarded, resolver},
};

const LIMIT: Duration = Duration::from_secs(30);

fn proxy() -> Address {
    "proxy.example:1080".parse().unwrap()
}

fn target() -> Address {
    "example.com:80".parse().unwrap()
}

fn client() -> Client {
    Client::new().timeout(LIMIT)
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_says_nothing() {
    let (way, logs) = crate::support::upstream::canned([b""]);
    let silent = service_fn(|_: Lookup| std::future::pending::<Result<Vec<IpAddr>, BoxError>>());
    let socks = Socks5Upstream::new(proxy())
        .client(client())
        .via(way.clone())
        .local_dns(silent);
    let http = HttpUpstream::new(proxy())
        .timeout(LIMIT)
        .via(way)
        .local_dns(silent);
    let bind = socks.clone().into_bind();

    let started = Instant::now();
    for (nth, error) in [
        socks.oneshot(target()).await.unwrap_err(),
        http.oneshot(target()).await.unwrap_err(),
        bind.oneshot(guarded(
            "example.com:80",
            crate::support::upstream::Diary::default(),
        ))
        .await
        .map(|_| ())
        .unwrap_err(),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED, "{nth}");
    }
    assert_eq!(started.elapsed(), 3 * LIMIT);
    assert_eq!(logs[0].written().1, 0);
}

/// Each proxy takes 20 s to find out that the address is not to be reached.
fn slow(says: Vec<u8>) -> (impl Transport<Io = Canned> + Sync, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let way = service_fn(move |_: Address| {
        count.fetch_add(1, Ordering::Relaxed);
        let (stream, _) = Canned::new([&says], Then::Ends);
        async {
            sleep(Duration::from_secs(20)).await;
            Ok::<_, BoxError>(Connected::new(stream, Address::UNSPECIFIED))
        }
    });
    (way, asked)
}

#[tokio::test(start_paused = true)]
async fn a_name_with_many_addresses() {
    let many = || resolver(&["192.0.2.1"; 20]);
    let started = Instant::now();

    let (way, asked) = slow([HELLO_OK, &failure(4)].concat());
    let upstream = Socks5Upstream::new(proxy()).client(client()).via(way);
    let error = upstream
        .local_dns(many())
        .oneshot(target())
        .await
        .unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(started.elapsed().as_secs(), 40);

    let (way, asked) = slow(b"HTTP/1.1 504 Gateway Timeout\r\n\r\n".to_vec());
    let upstream = HttpUpstream::new(proxy()).timeout(LIMIT).via(way);
    let error = upstream
        .local_dns(many())
        .oneshot(target())
        .await
        .unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(started.elapsed().as_secs(), 80);
}

/// Addresses cost a connection to the proxy each, also where it answers at once.
#[tokio::test]
async fn no_more_than_eight_addresses_are_tried() {
    let (way, logs) = crate::support::upstream::canned(vec![[HELLO_OK, &failure(4)].concat(); 20]);
    let upstream = Socks5Upstream::new(proxy())
        .via(way)
        .local_dns(resolver(&["192.0.2.1"; 20]));
    let error = upstream.oneshot(target()).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
    let used = logs.iter().filter(|log| log.written().1 > 0).count();
    assert_eq!(used, 8);
}

/// A proxy that dribbles has no more time than one that says nothing.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_dribbles() {
    let (way, mut far) = crate::support::upstream::by_hand();
    let asking = HttpUpstream::new(proxy()).timeout(LIMIT).via(way);
    let asking = tokio::spawn(asking.oneshot(target()));
    let started = Instant::now();
    far.hear(b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n")
        .await;
    let head = b"HTTP/1.1 200 OK\r\nVia: a rather long way\r\n\r\n";
    for octet in head {
        use tokio::io::AsyncWriteExt;

        sleep(Duration::from_secs(1)).await;
        if far.write_all(&[*octet]).await.is_err() {
            break;
        }
    }
    assert!(asking.await.unwrap().is_err());
    let secs = started.elapsed().as_secs();
    assert!((30..=31).contains(&secs), "{secs}");
}
