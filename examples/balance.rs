//! Three proxies that share the work, one of which is down: tower's balancer and tower's retry, around
//! connectors that take note of how they do.
//!
//! The proxies and the target are in this program too:
//!
//! ```text
//! cargo run --example balance
//! ```

#![allow(clippy::print_stdout)]

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tower::{
    ServiceBuilder,
    balance::p2c::Balance,
    buffer::Buffer,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
    retry::Policy,
};
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, NoAuth, Request,
    connector::{failover::Health, upstream::Socks5Upstream},
    proto::Address,
    serve,
    session::Connected,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN) // one line for the proxy that is down
        .init();
    let one = proxy().await?;
    let other = proxy().await?;
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));

    let alternatives = [one.0, nobody, other.0].map(|proxy| {
        let alternative = Health::new(proxy.to_string(), Socks5Upstream::new(proxy));
        PendingRequests::new(alternative, CompleteOnResponse::default())
    });
    let balance = Balance::new(ServiceList::new::<Request>(alternatives));
    let balanced = ServiceBuilder::new()
        .timeout(Duration::from_secs(30)) // also for one that is up
        .retry(Again(2)) // another one, where the first was at fault
        .service(Buffer::new(balance, 1024));

    // A server whose clients are shared out.
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct().with_connect(balanced));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let target = target().await?;
    for _ in 0..100 {
        let stream = TcpStream::connect(server).await?;
        let mut stream = Client::new().connect(stream, target.clone()).await?;
        stream.read_u8().await?;
    }
    let carried = [&one.1, &other.1].map(|requests| requests.load(Ordering::Relaxed));
    println!(
        "of 100 connections one proxy carried {}, the other {}",
        carried[0], carried[1]
    );
    assert_eq!(carried.iter().sum::<usize>(), 100);
    assert!(carried.iter().all(|requests| *requests > 0));
    Ok(())
}

/// How many more times a request is tried.
#[derive(Clone)]
struct Again(usize);

impl<E> Policy<Request, Connected<TcpStream>, E> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request,
        outcome: &mut Result<Connected<TcpStream>, E>,
    ) -> Option<Ready<()>> {
        let again = outcome.is_err() && self.0 > 0;
        again.then(|| {
            self.0 -= 1;
            ready(())
        })
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}

/// A proxy, and how many requests it has had.
async fn proxy() -> Result<(SocketAddr, Arc<AtomicUsize>), BoxError> {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .map_request(move |request: Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            request
        })
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok((address, requests))
}

/// Says one byte to each client.
async fn target() -> Result<Address, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"!").await;
        }
    });
    Ok(Address::Ip(address))
}
