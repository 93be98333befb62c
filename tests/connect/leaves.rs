//! A service for CONNECT in the place of a whole connector: it executes nothing else.

use std::{net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, NoAuth, Refusal, Request, Tunnel,
    connector::{
        BoxConnector,
        balance::Balance,
        direct::Direct,
        failover::Failover,
        upstream::{Socks4Upstream, Socks5Upstream},
    },
    error::reply_code,
    layer::socks4::Socks4Layer,
    proto::{Address, Command, ReplyCode},
    session::{Check, Target},
};

use crate::support::{
    Script, failure, proxy, stack,
    udp::{Client, ClientScript, address},
    within,
};

/// BIND, UDP ASSOCIATE and a command that nobody knows get 07, and nobody is called; CONNECT is
/// executed.
async fn executes_connect_alone<S>(what: &str, leaf: S)
where
    S: Service<Request, Response: Tunnel, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let literal = address(target.local_addr().unwrap());
    let named = [
        &[3, 9][..],
        b"127.0.0.1",
        &target.local_addr().unwrap().port().to_be_bytes(),
    ]
    .concat();
    for command in [2, 3, 9] {
        for dst in [&literal, &named] {
            let mut client = Client::new(stack(NoAuth, leaf.clone())).await;
            client.io.request(command, dst).await;
            client.io.hear(&failure(7)).await;
            client.io.hear_end().await;
            assert!(client.lingering_close().await.is_err(), "{what} {command}");
        }
    }
    let mut client = Client::new(stack(NoAuth, leaf)).await;
    client.io.request(1, &literal).await;
    client.io.bound().await;
    // The first that anybody has called.
    let (mut far, _) = target.accept().await.unwrap();
    client.io.say(b"up").await;
    far.hear(b"up").await;
}

async fn socks4_proxy() -> SocketAddr {
    let connector = tower_socks::Connector::direct();
    proxy(Socks4Layer::new().layer(AuthLayer::new(NoAuth).layer(connector))).await
}

#[tokio::test]
async fn a_leaf_answers_07_to_what_it_does_not_execute() {
    within(async {
        let inner = proxy(stack(NoAuth, tower_socks::Connector::direct())).await;
        let socks = Socks5Upstream::new(inner);
        executes_connect_alone("direct", Direct::new()).await;
        executes_connect_alone("socks", socks.clone()).await;
        executes_connect_alone("socks, local DNS", {
            let resolver = tower_socks::connector::resolve::SystemResolver::new();
            socks.clone().local_dns(resolver)
        })
        .await;
        executes_connect_alone("box", BoxConnector::new(socks.clone())).await;
        executes_connect_alone("failover", Failover::new([("one", socks.clone())])).await;
        executes_connect_alone("box of direct", BoxConnector::new(Direct::new())).await;
        executes_connect_alone("socks4", Socks4Upstream::new(socks4_proxy().await)).await;
        let both = [("one", Socks5Upstream::new(inner)), ("two", socks)];
        executes_connect_alone("balance", Balance::new(both)).await;
    })
    .await;
}

#[cfg(feature = "http-connect")]
#[tokio::test]
async fn an_http_upstream_answers_07_to_what_it_does_not_execute() {
    use tower_socks::connector::upstream::HttpUpstream;

    within(async {
        let proxy = crate::support::upstream::http_proxy(Arc::default()).await;
        executes_connect_alone("http", HttpUpstream::new(proxy)).await;
    })
    .await;
}

#[cfg(feature = "proxy-url")]
#[tokio::test]
async fn what_a_url_or_the_environment_makes_answers_07_to_what_it_does_not_execute() {
    use tower_socks::connector::proxy_url::{NoProxy, ProxyEnv, ProxyUrl};

    within(async {
        let inner = proxy(stack(NoAuth, tower_socks::Connector::direct())).await;
        let http = crate::support::upstream::http_proxy(Arc::default()).await;
        let socks4 = socks4_proxy().await;
        let urls = [
            format!("socks5h://{inner}"),
            format!("socks5://{inner}"),
            format!("socks4a://{socks4}"),
            format!("http://{http}"),
        ];
        for url in urls {
            let parsed: ProxyUrl = url.parse().unwrap();
            executes_connect_alone(&url, parsed.connector()).await;
            let through = ProxyEnv::new(Some(parsed), NoProxy::default());
            executes_connect_alone(&url, through.connector()).await;
        }
        executes_connect_alone("no proxy", ProxyEnv::default().connector()).await;
    })
    .await;
}

#[cfg(feature = "rules")]
#[tokio::test]
async fn a_router_of_leaves_answers_07_to_what_they_do_not_execute() {
    use tower_socks::{
        connector::route::Router,
        rules::{Action, Rule},
    };

    within(async {
        let inner = proxy(stack(NoAuth, tower_socks::Connector::direct())).await;
        let through = BoxConnector::<Request>::new(Socks5Upstream::new(inner));
        let joe = Rule::new(Action::Allow).user("joe");
        let router = Router::new([(joe, through)], BoxConnector::new(Direct::new()));
        executes_connect_alone("router", router).await;
    })
    .await;
}

/// What a layer of one's own might make of a request.
struct Wrapped(Request);

impl Target for Wrapped {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.0.target.clone())
    }

    fn request(&self) -> Option<&Request> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn a_target_that_wraps_a_request_keeps_its_policies_and_its_command() {
    within(async {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Address::Ip(target.local_addr().unwrap());
        let request = Request::new(Command::CONNECT, target.clone());
        assert!(Direct::new().oneshot(Wrapped(request)).await.is_ok());

        let request = Request::new(Command::UDP_ASSOCIATE, target.clone());
        let error = Direct::new().oneshot(Wrapped(request)).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::COMMAND_NOT_SUPPORTED);

        let mut request = Request::new(Command::CONNECT, target);
        let dialled = request.dialled();
        request.guard = request
            .guard
            .and(Arc::new(|_: &Request, check: Check| match check {
                Check::Stated => Ok(()),
                Check::Address(_) | Check::Name => Err(Refusal::not_allowed("no")),
            }));
        let error = Direct::new()
            .oneshot(Wrapped(request.clone()))
            .await
            .unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
        assert_eq!(dialled.get(), None);

        request.target = Address::new("example.com", 80).unwrap();
        let nowhere = Socks5Upstream::new("127.0.0.1:9");
        let error = nowhere.oneshot(Wrapped(request)).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
        assert!(!dialled.is_handed_on());
    })
    .await;
}
