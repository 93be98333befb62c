//! RESOLVE and RESOLVE_PTR, and those who look names up for them.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Request, Tunnel,
    connector::{
        name_service::NameService,
        resolve::{Lookup, ReverseLookup},
        upstream::Socks5Upstream,
    },
    proto::{Address, Command, DomainName},
    session::Accepted,
};

use super::{
    cases::{here, says, target},
    drops::{Case, at_every_poll, held},
    proxies::way,
};

/// Every name is at 192.0.2.7, whose name is two.example.
fn names()
-> impl Service<Request, Response: Tunnel, Error = BoxError, Future: Send> + Clone + Send + 'static
{
    let addresses = service_fn(async |_: Lookup| {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(vec![IpAddr::from([192, 0, 2, 7])])
    });
    let names = service_fn(async |_: ReverseLookup| {
        tokio::task::yield_now().await;
        Ok::<_, BoxError>(vec![DomainName::new("two.example").unwrap()])
    });
    let service = NameService::new().resolver(addresses);
    Connector::direct().with_resolve(service.reverse_resolver(names))
}

/// A session of a stack that looks names up.
async fn session(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let stack = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(names()));
    let accepted = Accepted::new(io, here(50_000), here(1080));
    let _ = stack.oneshot(accepted).await;
}

fn requests() -> [(&'static str, Request); 2] {
    let name = Address::new("two.example", 0).unwrap();
    let address: Address = "192.0.2.7:0".parse().unwrap();
    [
        ("RESOLVE", Request::new(Command::RESOLVE, name)),
        ("RESOLVE_PTR", Request::new(Command::RESOLVE_PTR, address)),
    ]
}

#[test]
fn lookups() {
    for (name, request) in requests() {
        at_every_poll(name, 1, async || {
            Case::new(names().oneshot(request.clone()))
        });
    }
}

#[test]
fn sessions() {
    let all: [&[u8]; 2] = [
        b"\x05\x01\x00\x05\xf0\x00\x03\x0btwo.example\x00\x00behind it",
        b"\x05\x01\x00\x05\xf1\x00\x01\xc0\x00\x02\x07\x00\x00behind it",
    ];
    for said in all {
        at_every_poll("a session with a lookup", 4, async || {
            let (near, far, alive) = held();
            Case::new(session(near))
                .far(async move { says(far, said).await })
                .releases(move || alive.assert_dropped())
        });
    }
}

/// A task asks the proxy, for all who wait, so that few polls are of the future. It ends once nobody waits.
#[test]
fn upstreams() {
    for (name, request) in requests() {
        at_every_poll(&format!("{name} by a proxy"), 2, async || {
            let (near, far, _) = held();
            let resolver = Socks5Upstream::new(target()).via(way(near)).into_resolver();
            let service = NameService::new().resolver(resolver.clone());
            let connector = Connector::direct().with_resolve(service.reverse_resolver(resolver));
            Case::new(connector.oneshot(request.clone())).far(session(far))
        });
    }
}
