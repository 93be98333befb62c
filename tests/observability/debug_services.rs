//! Every service, future and tunnel of a stack can be shown, so that what holds one can derive `Debug`;
//! and none shows what was said to it.

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use tokio::{io::duplex, net::TcpListener};
use tower::{Layer, Service, ServiceExt};
use tower_socks::{
    AclLayer, AuthLayer, Connector, HandshakeLayer, NoAuth, Request, Rules, UserPass, Users,
    connector::{
        associate::Associate,
        bind::Bind,
        direct::Direct,
        failover::{Failover, Health},
        resolve::{Lookup, SystemResolver},
        upstream::Socks5Upstream,
    },
    io::PrefixedStream,
    layer::{
        acl::{SwapPolicy, recheck::RecheckLayer},
        key,
        limit::{ConcurrentTunnels, FailedLoginsLayer, LimitLayer},
        meter::{ByteQuota, MeterLayer},
        metrics::{LookupMetricsLayer, RequestMetricsLayer, SessionMetricsLayer},
        trace::TraceLayer,
        track::OpenTunnels,
    },
    proto::{Command, DomainName, Method},
    rules::Action,
    serve,
    session::{Accepted, Negotiation},
};

#[track_caller]
fn begins(value: &impl Debug, with: &str) {
    let text = format!("{value:?}");
    assert!(text.starts_with(with), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

fn request(command: Command, target: SocketAddr) -> Request {
    let mut request = Request::new(command, target.into());
    request.peer = ([127, 0, 0, 1], 50_000).into();
    request.local = ([127, 0, 0, 1], 1080).into();
    request
}

/// Shows a layer's service over a dialler, its future, and the tunnel that comes of it.
async fn shows<L>(layer: L, target: SocketAddr, service: &str, future: &str, tunnel: &str)
where
    L: Layer<Connector>,
    L::Service: Service<Request, Response: Debug, Error: Debug, Future: Debug> + Debug,
{
    let mut stacked = layer.layer(Connector::direct());
    begins(&stacked, service);
    let ready = stacked.ready().await.unwrap();
    let connecting = ready.call(request(Command::CONNECT, target));
    begins(&connecting, future);
    begins(&connecting.await.unwrap(), tunnel);
}

#[tokio::test]
async fn layers_for_requests_and_their_tunnels() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let rules = || Rules::builder(Action::Allow).allow_private().build();

    let acl = AclLayer::new(rules());
    begins(&acl.clone(), "AclLayer");
    shows(acl, target, "Acl { ", "AllowedOrRefused", "Connect(").await;
    let recheck = RecheckLayer::new(SwapPolicy::new(rules()));
    begins(&recheck.clone(), "RecheckLayer");
    shows(
        recheck,
        target,
        "Recheck { ",
        "ResponseFuture",
        "RecheckTunnel { ",
    )
    .await;
    let limit = LimitLayer::new(ConcurrentTunnels::new(1, key::user));
    shows(
        limit,
        target,
        "Limit { ",
        "ResponseFuture",
        "LimitTunnel { ",
    )
    .await;
    let quota = ByteQuota::new(10, Duration::from_secs(1), key::user);
    let meter = MeterLayer::new(quota);
    shows(
        meter,
        target,
        "MeterService { ",
        "ResponseFuture",
        "MeterTunnel { ",
    )
    .await;
    let track = OpenTunnels::new().layer();
    shows(
        track,
        target,
        "Track { ",
        "ResponseFuture",
        "TrackTunnel { ",
    )
    .await;
    let trace = TraceLayer::new();
    shows(trace, target, "Trace { ", "ResponseFuture", "Trac").await;
    let metrics = RequestMetricsLayer::new();
    let future = "ResponseFuture";
    shows(
        metrics,
        target,
        "RequestMetrics { ",
        future,
        "MetricsTunnel { ",
    )
    .await;
}

#[tokio::test]
async fn connectors_and_what_they_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));

    let direct = Direct::new().call(request(Command::CONNECT, target));
    begins(&direct, "ResponseFuture");
    let bind = Bind::new().call(request(Command::BIND, nowhere));
    begins(&bind, "ResponseFuture");
    begins(&bind.await.unwrap(), "BindTunnel");
    let associate = Associate::new().call(request(Command::UDP_ASSOCIATE, nowhere));
    begins(&associate, "ResponseFuture");
    begins(&associate.await.unwrap(), "AssociateTunnel");
    let either = Connector::direct().call(request(Command::CONNECT, target));
    begins(&either, "ResponseFuture");

    let upstream = Socks5Upstream::new(target);
    begins(
        &upstream.clone().oneshot(request(Command::CONNECT, target)),
        "Oneshot",
    );
    let first = upstream.clone().call(request(Command::CONNECT, target));
    begins(&first, "ResponseFuture");
    let mut health = Health::new("first", upstream.clone());
    begins(
        &health.call(request(Command::CONNECT, target)),
        "HealthFuture",
    );
    let mut ways = Failover::new([("first", upstream)]);
    begins(
        &ways.call(request(Command::CONNECT, target)),
        "FailoverFuture",
    );

    let mut lookups = LookupMetricsLayer::new().layer(SystemResolver::new());
    let lookup = Lookup::new(DomainName::new("localhost").unwrap());
    let lookups = ServiceExt::<Lookup>::ready(&mut lookups).await.unwrap();
    begins(&lookups.call(lookup), "ResponseFuture");
}

#[tokio::test]
async fn handshakes_and_logins() {
    let peer: SocketAddr = ([203, 0, 113, 5], 50_000).into();
    let users: Users = [("joe", "hunter2")].into_iter().collect();
    let auth = AuthLayer::new(UserPass::new(users.clone()));
    begins(&auth.clone(), "AuthLayer");
    begins(&users, "Users");
    begins(&UserPass::new(users), "UserPass");

    let mut auth = auth.layer(Connector::direct());
    begins(&auth, "Auth { ");
    let offered = || [Method::USERNAME_PASSWORD].into_iter().collect();
    let negotiation = Negotiation::new(PrefixedStream::new(duplex(64).0), offered(), peer, peer);
    begins(&auth.call(negotiation), "ResponseFuture");

    let mut logins = FailedLoginsLayer::new().layer(auth);
    begins(&logins, "FailedLogins { ");
    let negotiation = Negotiation::new(PrefixedStream::new(duplex(64).0), offered(), peer, peer);
    begins(&logins.call(negotiation), "ResponseFuture");

    let mut stack = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
    begins(&stack, "Handshake { ");
    let accepted = Accepted::new(duplex(64).0, peer, peer);
    begins(&stack.call(accepted), "ResponseFuture");

    let mut measured = SessionMetricsLayer::new().layer(stack.clone());
    let accepted = Accepted::new(duplex(64).0, peer, peer);
    begins(&measured.call(accepted), "ResponseFuture");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = serve(listener, stack).drain_limit(Duration::from_secs(7));
    let text = format!("{server:?}");
    assert!(text.contains("drain_limit: 7s"), "{text}");
}
