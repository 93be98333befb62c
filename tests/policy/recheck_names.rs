//! Tunnels to names that an upstream resolved, and a new policy that forbids these names.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, Connector, NoAuth, Refusal, Request, Tunnel,
    connector::{
        BoxConnector,
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
        failover::Failover,
        upstream::Socks5Upstream,
    },
    error::Fault,
    layer::acl::{SwapPolicy, recheck::RecheckLayer},
    session::Check,
};

use crate::support::{
    Script, proxy,
    udp::{
        BIND, Client, ClientScript,
        association::{Association, assert_silent, datagram, socket},
        name,
        policies::hosts,
        within,
    },
};

const CONNECT: u8 = 1;

type Judge = fn(&Request, Check) -> Result<(), Refusal>;

fn lets_pass(_: &Request, _: Check) -> Result<(), Refusal> {
    Ok(())
}

/// Has nothing against the request as stated, nor against any address.
fn no_such_name(request: &Request, check: Check) -> Result<(), Refusal> {
    match (check, request.target.name()) {
        (Check::Name, Some(name)) if name.starts_with("one.") => {
            Err(Refusal::not_allowed("that name is over"))
        }
        _ => Ok(()),
    }
}

/// A proxy for which `one.example` and `two.example` are 127.0.0.1.
async fn upstream() -> SocketAddr {
    let here: &[&str] = &["127.0.0.1"];
    let (resolver, _) = hosts(&[("one.example", here), ("two.example", here)]);
    let paths = MakeDirect::new().resolver(resolver.clone());
    let connector = Connector::direct()
        .with_connect(Direct::new().resolver(resolver.clone()))
        .with_bind(Bind::new().resolver(resolver))
        .with_associate(Associate::with_transports(paths));
    proxy(crate::support::stack(NoAuth, connector)).await
}

async fn client<S>(policy: &SwapPolicy<Judge>, service: S) -> Client
where
    S: tower::Service<Request, Response: Tunnel, Error = tower_socks::BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let service = ServiceBuilder::new()
        .layer(RecheckLayer::new(policy.clone()))
        .layer(AclLayer::new(policy.clone()))
        .service(service);
    Client::new(crate::support::udp::stack(service)).await
}

async fn assert_over(mut client: Client) {
    let error = client.outcome().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Refused);
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let source: Vec<_> = causes.map(ToString::to_string).collect();
    let source = source.join(": ");
    assert!(source.contains("that name is over"), "{source}");
}

async fn lives(client: &mut Client, far: &mut TcpStream) {
    client.io.say(b"up").await;
    far.hear(b"up").await;
    far.say(b"down").await;
    client.io.hear(b"down").await;
}

/// CONNECT through one kind of upstream: of two tunnels, the one to the forbidden name is closed.
async fn connects_through<S>(upstream: S)
where
    S: tower::Service<Request, Response: Tunnel, Error = tower_socks::BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let policy = SwapPolicy::new(lets_pass as Judge);
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let mut tunnels = Vec::new();
    for host in ["one.example", "two.example"] {
        let mut client = client(&policy, upstream.clone()).await;
        client.io.request(CONNECT, &name(host, port)).await;
        let (mut far, _) = target.accept().await.unwrap();
        client.io.bound().await;
        lives(&mut client, &mut far).await;
        tunnels.push((client, far));
    }
    policy.swap(no_such_name);
    policy.recheck();
    let (mut other, mut other_far) = tunnels.pop().unwrap();
    let (closed, _far) = tunnels.pop().unwrap();
    assert_over(closed).await;
    lives(&mut other, &mut other_far).await;
}

#[tokio::test]
async fn connections_by_name_are_closed_for_every_kind_of_upstream() {
    within(async {
        let inner = upstream().await;
        let socks = Socks5Upstream::new(inner);
        connects_through(Connector::upstream(socks.clone())).await;
        connects_through(BoxConnector::<Request>::new(socks.clone())).await;
        connects_through(Failover::new([("first", socks.clone()), ("second", socks)])).await;
    })
    .await;
}

#[cfg(feature = "http-connect")]
#[tokio::test]
async fn connections_by_name_are_closed_for_an_http_upstream() {
    use std::sync::{Arc, Mutex};

    use tower_socks::connector::upstream::HttpUpstream;

    within(async {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let http = crate::support::upstream::http_proxy(heads).await;
        connects_through(HttpUpstream::new(http)).await;
    })
    .await;
}

#[tokio::test]
async fn a_bind_for_a_peer_by_name_is_closed_while_it_waits_and_after() {
    within(async {
        let through = Connector::upstream(Socks5Upstream::new(upstream().await));
        for has_come in [false, true] {
            let policy = SwapPolicy::new(lets_pass as Judge);
            let mut client = client(&policy, through.clone()).await;
            client.io.request(BIND, &name("one.example", 20)).await;
            let bound = client.io.bound().await;
            let mut peer = None;
            if has_come {
                let mut far = TcpStream::connect(bound).await.unwrap();
                client.io.bound().await;
                lives(&mut client, &mut far).await;
                peer = Some(far);
            }
            policy.swap(no_such_name);
            policy.recheck();
            assert_over(client).await;
            drop(peer);
        }
    })
    .await;
}

#[tokio::test]
async fn datagrams_to_a_name_end_with_the_policy_and_others_go_on() {
    within(async {
        let policy = SwapPolicy::new(lets_pass as Judge);
        let through = Connector::upstream(Socks5Upstream::new(upstream().await));
        let association = Association::of(client(&policy, through).await).await;
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let to =
            |host, socket: &tokio::net::UdpSocket| name(host, socket.local_addr().unwrap().port());
        association
            .send(&datagram(0, &to("one.example", &one), b"before"))
            .await;
        association.reaches(&one, b"before").await;
        policy.swap(no_such_name);
        policy.recheck();
        association
            .send(&datagram(0, &to("one.example", &one), b"after"))
            .await;
        association
            .send(&datagram(0, &to("two.example", &two), b"other"))
            .await;
        association.reaches(&two, b"other").await;
        assert_silent(&one);
        assert!(!association.control.is_over());
    })
    .await;
}
