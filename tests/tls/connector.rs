//! TLS to proxies: whom it believes, how long it waits, and chains.

use std::time::Duration;

use tokio::{net::TcpListener, time::Instant};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Connector, NoAuth,
    client::ClientFault,
    connector::{tls::TlsConnector, upstream::Socks5Upstream},
    error::{Fault, TlsError},
    proto::Address,
    session::Connected,
};

use crate::{
    support::{Script, proxy, stack, texts},
    world::{Authority, World},
};

async fn server(world: &World) -> u16 {
    let stack = world.layer().layer(stack(NoAuth, Connector::direct()));
    proxy(stack).await.port()
}

#[tokio::test]
async fn by_name_by_address_and_by_another_name() {
    let world = World::new();
    let port = server(&world).await;
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = target.local_addr().unwrap().into();
    for (host, works) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("127.0.0.2", false),
    ] {
        let proxy = format!("{host}:{port}");
        let upstream = Socks5Upstream::new(&*proxy).via(TlsConnector::new(world.client()));
        match upstream.oneshot(address.clone()).await {
            Ok(mut stream) => {
                assert!(works, "{host}");
                let (mut reached, _) = target.accept().await.unwrap();
                reached.say(b"hello").await;
                stream.hear(b"hello").await;
            }
            Err(_) => assert!(!works, "{host}"),
        }
    }
    let named = TlsConnector::new(world.client()).server_name("localhost".try_into().unwrap());
    let proxy: Address = std::net::SocketAddr::from(([127, 0, 0, 1], port)).into();
    assert!(named.oneshot(proxy.clone()).await.is_ok());
    let wrong = TlsConnector::new(world.client()).server_name("example.com".try_into().unwrap());
    let error = wrong.oneshot(proxy).await.unwrap_err();
    assert!(
        texts(&*error).contains("NotValidForName"),
        "{}",
        texts(&*error)
    );
}

/// It says nothing of the target: the upstream is at fault, and down.
#[tokio::test]
async fn a_certificate_that_is_not_believed_is_the_upstreams_failure() {
    let world = World::new();
    let port = server(&world).await;
    let settings = tower_socks::tls::ClientSettings::new(Authority::new("others").roots());
    let doubting = TlsConnector::new(settings.build().unwrap());
    let upstream = Socks5Upstream::new(format!("localhost:{port}")).via(doubting);
    let error = upstream.oneshot("192.0.2.1:80").await.unwrap_err();
    assert!(
        texts(&*error).contains("UnknownIssuer"),
        "{}",
        texts(&*error)
    );
    assert_eq!(Fault::of(&*error), Fault::Upstream);
    let error = error.downcast_ref::<tower_socks::ClientError>().unwrap();
    assert_eq!(error.fault(), ClientFault::Proxy);
}

/// A plain server at the other end, and one that says nothing.
#[tokio::test(start_paused = true)]
async fn what_is_no_tls_fails_and_silence_has_a_limit() {
    let world = World::new();
    let transport = |says: &'static [u8]| {
        service_fn(move |_: Address| async move {
            let (near, mut far) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                far.say(says).await;
                std::future::pending::<()>().await;
                drop(far);
            });
            Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
        })
    };
    let proxy: Address = "localhost:1080".parse().unwrap();
    let connector = TlsConnector::new(world.client());
    let plain = connector
        .clone()
        .via(transport(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let error = plain.oneshot(proxy.clone()).await.unwrap_err();
    let error = error.downcast_ref::<TlsError>().unwrap();
    assert!(matches!(error, TlsError::Handshake(_)), "{error}");
    for (connector, seconds) in [
        (connector.clone(), 10),
        (connector.handshake_timeout(Duration::from_secs(2)), 2),
    ] {
        let started = Instant::now();
        assert!(
            connector
                .via(transport(b""))
                .oneshot(proxy.clone())
                .await
                .is_err()
        );
        assert_eq!(started.elapsed().as_secs(), seconds);
    }
}

/// TLS inside TLS.
#[tokio::test]
async fn a_chain_of_two() {
    let (near, far) = (World::new(), World::new());
    let (first, second) = (server(&near).await, server(&far).await);
    let to_first = TlsConnector::new(near.client());
    let through_first = Socks5Upstream::new(format!("localhost:{first}")).via(to_first);
    let to_second = TlsConnector::new(far.client()).via(through_first);
    let chain = Socks5Upstream::new(format!("localhost:{second}")).via(to_second);
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = target.local_addr().unwrap().into();
    let mut stream = chain.oneshot(address).await.unwrap();
    let (mut reached, _) = target.accept().await.unwrap();
    let much = vec![7; 1 << 20];
    let said = async {
        reached.say(&much).await;
        drop(reached);
    };
    let ((), heard) = tokio::join!(said, stream.hear_rest());
    assert!(heard == much);
}

/// A certificate of our own, for proxies that ask for one.
#[tokio::test]
async fn a_certificate_of_our_own() {
    use tower_socks::tls::ClientCertificates;

    let world = World::new();
    let layer = world.layer_with(ClientCertificates::Required(world.clients.roots()));
    let port = proxy(layer.layer(stack(NoAuth, Connector::direct())))
        .await
        .port();
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let joe = world.clients.sign_client("joe");
    for (config, works) in [(world.client_with(&joe), true), (world.client(), false)] {
        let upstream = Socks5Upstream::new(format!("localhost:{port}"));
        let upstream = upstream.via(TlsConnector::new(config));
        let outcome = upstream.oneshot(target.local_addr().unwrap()).await;
        assert_eq!(outcome.is_ok(), works, "{outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(Fault::of(&*error), Fault::Upstream);
        }
    }
}
