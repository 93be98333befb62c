//! A resolver that asks another proxy, by RESOLVE and RESOLVE_PTR.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::Layer;
use tower::{Service, ServiceExt};
use tower_socks::{
    AclLayer, BoxError, ClientError, Connector, NoAuth, Request, Rules, Tunnel, UserPass, Users,
    connector::{
        direct::Direct,
        name_service::NameService,
        resolve::{Lookup, ReverseLookup},
        upstream::{Socks5Upstream, UpstreamResolver},
    },
    error::{Fault, LookupError, LookupErrorKind, reply_code},
    proto::{Address, Command, DomainName, ReplyCode},
    session::UserOrClient,
};

use crate::support::{Script, proxy, resolvers::answering, stack, within};

/// A proxy that says this to each request, and counts its connections. It notes the requests.
async fn saying(
    reply: &'static [u8],
) -> (
    SocketAddr,
    Arc<AtomicUsize>,
    tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (note, noted) = tokio::sync::mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let note = note.clone();
            tokio::spawn(async move {
                client.hear(b"\x05\x01\x00").await;
                client.say(b"\x05\x00").await;
                let mut request = vec![0; 512];
                let len = client.read(&mut request).await.unwrap();
                let _ = note.send(request[..len].to_vec());
                client.write_all(reply).await.unwrap();
            });
        }
    });
    (address, connections, noted)
}

fn name(name: &str) -> DomainName {
    DomainName::new(name).unwrap()
}

async fn addresses(
    resolver: &UpstreamResolver,
    lookup: impl Into<Lookup> + Send + 'static,
) -> Result<Vec<IpAddr>, BoxError> {
    resolver.clone().oneshot(lookup.into()).await
}

#[tokio::test]
async fn a_name_and_an_address() {
    within(async {
        let (proxy, connections, mut requests) =
            saying(b"\x05\x00\x00\x01\xc0\x00\x02\x07\x00\x00").await;
        let resolver = Socks5Upstream::new(proxy).into_resolver();
        let found = addresses(&resolver, name("a.example")).await.unwrap();
        assert_eq!(found, [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(
            requests.recv().await.unwrap(),
            b"\x05\xf0\x00\x03\x09a.example\x00\x00"
        );
        assert_eq!(connections.load(Ordering::SeqCst), 1);

        let (proxy, _, mut requests) = saying(b"\x05\x00\x00\x03\x0cHost.Example\x00\x00").await;
        let mut resolver = Socks5Upstream::new(proxy).into_resolver();
        let lookup = ReverseLookup::new([192, 0, 2, 7].into());
        assert_eq!(resolver.call(lookup).await.unwrap(), [name("host.example")]);
        assert_eq!(
            requests.recv().await.unwrap(),
            b"\x05\xf1\x00\x01\xc0\x00\x02\x07\x00\x00"
        );
    })
    .await;
}

#[tokio::test]
async fn what_a_proxy_cannot_tell() {
    use LookupErrorKind as Kind;

    within(async {
        for (reply, kind, code, fault) in [
            (
                &b"\x05\x04"[..],
                Kind::NotFound,
                ReplyCode::HOST_UNREACHABLE,
                Fault::Target,
            ),
            (
                b"\x05\x02",
                Kind::Upstream,
                ReplyCode::NOT_ALLOWED,
                Fault::Refused,
            ),
            (
                b"\x05\x06",
                Kind::Upstream,
                ReplyCode::TTL_EXPIRED,
                Fault::Target,
            ),
            // That it does not know the command says nothing about what our client has asked for.
            (
                b"\x05\x07",
                Kind::Upstream,
                ReplyCode::GENERAL_FAILURE,
                Fault::Upstream,
            ),
            (
                b"\x05\x01",
                Kind::Upstream,
                ReplyCode::GENERAL_FAILURE,
                Fault::Upstream,
            ),
            (
                b"",
                Kind::Upstream,
                ReplyCode::GENERAL_FAILURE,
                Fault::Upstream,
            ),
            // It takes the request for a CONNECT, or tells a name.
            (
                b"\x05\x00\x00\x01\0\0\0\0\0\0",
                Kind::Upstream,
                ReplyCode::GENERAL_FAILURE,
                Fault::Upstream,
            ),
            (
                b"\x05\x00\x00\x03\x01a\0\0",
                Kind::Upstream,
                ReplyCode::GENERAL_FAILURE,
                Fault::Upstream,
            ),
        ] {
            let (proxy, ..) = saying(reply).await;
            let resolver = Socks5Upstream::new(proxy).into_resolver();
            let error = addresses(&resolver, name("a.example")).await.unwrap_err();
            let told = error.downcast_ref::<LookupError>().unwrap();
            let found = (told.kind(), reply_code(&*error), Fault::of(&*error));
            assert_eq!(found, (kind, code, fault), "{}", reply.escape_ascii());
        }
        // Nobody listens.
        let closed = tokio::net::TcpSocket::new_v4().unwrap();
        closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let resolver = Socks5Upstream::new(closed.local_addr().unwrap()).into_resolver();
        let error = addresses(&resolver, name("a.example")).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
        assert_eq!(Fault::of(&*error), Fault::Upstream);
        let source = std::error::Error::source(&*error).unwrap();
        assert!(matches!(
            source.downcast_ref(),
            Some(ClientError::Unreachable { .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn one_connection_for_all_who_ask_for_a_name_and_none_below_onion() {
    within(async {
        let (proxy, connections, _requests) = saying(b"\x05\x04\x00\x01\0\0\0\0\0\0").await;
        let resolver = Socks5Upstream::new(proxy)
            .into_resolver()
            .with_concurrency(1);
        let asks = (0_u8..50).map(|client| {
            let client = UserOrClient::User(client.to_string().as_str().into());
            addresses(&resolver, Lookup::new(name("a.example")).for_client(client))
        });
        for found in futures_util::future::join_all(asks).await {
            assert_eq!(
                reply_code(&*found.unwrap_err()),
                ReplyCode::HOST_UNREACHABLE
            );
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        let error = addresses(&resolver, name("expyuzz4wqqyqhjn.onion"))
            .await
            .unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    })
    .await;
}

#[tokio::test]
async fn what_an_upstream_says_is_judged_before_it_is_told_or_dialled() {
    within(async {
        // An upstream of ours, which knows an address inside.
        let far = NameService::new().resolver(answering(&[&["127.0.0.1"]]).0);
        let far = proxy(stack(NoAuth, Connector::direct().with_resolve(far))).await;
        let resolver = Socks5Upstream::new(far).into_resolver();
        let rules: Rules = toml::from_str("default = \"allow\"").unwrap();
        let connector = Connector::direct()
            .with_connect(Direct::new().resolver(resolver.clone()))
            .with_resolve(NameService::new().resolver(resolver));
        for command in [Command::CONNECT, Command::RESOLVE] {
            let service = AclLayer::new(rules.clone()).layer(connector.clone());
            let request = Request::new(command, Address::new("a.example", 80).unwrap());
            let error = service.oneshot(request.clone()).await.unwrap_err();
            assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED, "{command}");
        }
        // Without rules it is told, through both.
        let request = Request::new(Command::RESOLVE, Address::new("a.example", 0).unwrap());
        let tunnel = connector.oneshot(request).await.unwrap();
        assert_eq!(tunnel.bound().to_string(), "127.0.0.1:0");
    })
    .await;
}

/// With the name and the password of the URL.
#[cfg(feature = "proxy-url")]
#[tokio::test]
async fn a_url_makes_one() {
    use tower_socks::connector::proxy_url::ProxyUrl;

    within(async {
        let users = UserPass::new([("joe", "secret")].into_iter().collect::<Users>());
        let names = NameService::new().resolver(answering(&[&["192.0.2.7"]]).0);
        let proxy = proxy(stack(users, Connector::direct().with_resolve(names))).await;
        let url: ProxyUrl = format!("socks5h://joe:secret@{proxy}").parse().unwrap();
        let resolver = url.resolver().unwrap();
        let found = resolver.oneshot(Lookup::new(name("a.example"))).await;
        assert_eq!(found.unwrap(), ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        for other in ["socks4a://p", "http://p"] {
            let other: ProxyUrl = other.parse().unwrap();
            assert!(other.resolver().is_none(), "{other}");
        }
    })
    .await;
}
