//! What speaks to another proxy: clients, and connectors through upstreams.

use std::{net::SocketAddr, sync::Arc};

use tokio::{io::DuplexStream, net::TcpStream};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, NoAuth, Request,
    client::Socks4Client,
    connector::upstream::{Socks4Upstream, Socks5Upstream},
    proto::{Address, Command},
    session::{Accepted, Connected},
};

use super::{
    cases::{here, listener, says, target},
    drops::{Case, Held, at_every_poll, held},
};

/// A session of a whole stack on one end of a stream; for the far ends of our clients.
async fn proxies(io: DuplexStream) {
    let stack = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
    let _ = stack
        .oneshot(Accepted::new(io, here(50_000), here(1080)))
        .await;
}

/// A way to a proxy: a stream in memory, of which `far` is the other end.
pub fn way(
    near: Held,
) -> impl Service<Address, Response = Connected<Held>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let near = Arc::new(std::sync::Mutex::new(Some(near)));
    service_fn(move |_: Address| {
        let near = near.lock().unwrap().take();
        async move {
            tokio::task::yield_now().await;
            let near = near.ok_or("asked twice")?;
            Ok(Connected::new(near, Address::UNSPECIFIED))
        }
    })
}

/// The reply of a SOCKS4 proxy.
pub const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";

#[test]
fn upstreams() {
    at_every_poll("through a SOCKS5 proxy", 7, async || {
        let (listener, address) = listener().await;
        let (near, far, alive) = held();
        let upstream = Socks5Upstream::new(target()).via(way(near));
        Case::new(upstream.oneshot(Address::Ip(address)))
            .far(proxies(far))
            .releases(move || {
                alive.assert_dropped();
                drop(listener);
            })
    });
    at_every_poll("through a SOCKS4 proxy", 2, async || {
        let (near, far, alive) = held();
        let upstream = Socks4Upstream::new(target()).via(way(near));
        Case::new(upstream.oneshot(Address::from(here(80))))
            .far(async { says(far, GRANTED).await })
            .releases(move || alive.assert_dropped())
    });
    at_every_poll("BIND through a SOCKS4 proxy", 2, async || {
        let (near, far, alive) = held();
        let bind = Socks4Upstream::new(target()).via(way(near)).into_bind();
        let request = Request::new(Command::BIND, Address::from(here(20)));
        Case::new(bind.oneshot(request))
            .far(async { says(far, GRANTED).await })
            .releases(move || alive.assert_dropped())
    });
    #[cfg(feature = "http-connect")]
    at_every_poll("through an HTTP proxy", 18, async || {
        let (near, far, alive) = held();
        let upstream = tower_socks::connector::upstream::HttpUpstream::new(target()).via(way(near));
        Case::new(upstream.oneshot(target()))
            .far(async { says(far, b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n").await })
            .releases(move || alive.assert_dropped())
    });
}

/// A client of a proxy on this machine.
fn client_of_a_proxy<F: Future + 'static>(name: &str, ask: impl Fn(Client, Held, SocketAddr) -> F) {
    at_every_poll(name, 6, async || {
        let (listener, address) = listener().await;
        let (near, far, alive) = held();
        let client = Client::new().proxy_address(here(0).ip());
        Case::new(ask(client, near, address))
            .far(proxies(far))
            .releases(move || {
                alive.assert_dropped();
                drop(listener);
            })
    });
}

#[test]
fn clients() {
    client_of_a_proxy("Client::connect", |client, io, to| async move {
        client.connect(io, to).await.unwrap()
    });
    client_of_a_proxy("Client::connect, optimistic", |client, io, to| async move {
        client.optimistic().connect(io, to).await.unwrap()
    });
    client_of_a_proxy("Client::bind", |client, io, _| async move {
        client.bind(io, here(0)).await.unwrap()
    });
    client_of_a_proxy("ProxyListener::accept", |client, io, _| async move {
        let listener = client.bind(io, here(1)).await.unwrap();
        let peer = TcpStream::connect(listener.bound().ip().unwrap()).await;
        (listener.accept().await.unwrap(), peer.unwrap())
    });
    client_of_a_proxy("Client::associate", |client, io, _| async move {
        client.associate(io).await.unwrap()
    });
}

#[test]
fn clients_of_socks4() {
    let all = [GRANTED, GRANTED].concat();
    at_every_poll("Socks4Client::connect", 2, async || {
        let (near, far, alive) = held();
        let client = Socks4Client::new().user_id("joe");
        Case::new(async move { client.connect(near, target()).await.unwrap() })
            .far(async { says(far, GRANTED).await })
            .releases(move || alive.assert_dropped())
    });
    at_every_poll("Socks4Client::bind and accept", 2, async || {
        let (near, far, alive) = held();
        let client = Socks4Client::new().proxy_address(here(0).ip());
        let all = all.clone();
        Case::new(async move {
            let listener = client.bind(near, here(20)).await.unwrap();
            listener.accept().await.unwrap()
        })
        .far(async move { says(far, &all).await })
        .releases(move || alive.assert_dropped())
    });
}
