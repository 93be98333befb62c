//! What the recorder hears of refusals, of limits, and of datagrams that are dropped.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AclLayer, BoxError, Connector, Identity, Request, Rules, Tunnel,
    connector::associate::{Associate, MakeDirect},
    connector::resolve::Lookup,
    io::DropReason,
    layer::{
        key,
        limit::{ConcurrentTunnels, LimitLayer, RequestRate},
        meter::{ByteQuota, MeterLayer},
        metrics::{RequestMetricsLayer, names},
        track::OpenTunnels,
    },
    proto::{Address, Command},
    session::Check,
};

use crate::support::udp::{
    address,
    association::{Association, datagram, socket},
    name, stack, within,
};

/// Runs a test with a recorder of its own, on this thread.
fn recorded(test: impl AsyncFnOnce(&Numbers)) {
    let recorder = DebuggingRecorder::new();
    let numbers = Numbers(recorder.snapshotter());
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(within(test(&numbers)));
    });
}

struct Numbers(Snapshotter);

impl Numbers {
    /// `{label=value,..} value` of all counters of a name that have changed since the last snapshot.
    fn of(&self, name: &str) -> Vec<String> {
        let numbers = self.0.snapshot().into_vec();
        let mut lines: Vec<_> = numbers
            .into_iter()
            .filter(|(key, ..)| key.key().name() == name)
            .filter_map(|(key, _, _, value)| {
                let labels = key.key().labels();
                let labels: Vec<_> = labels
                    .map(|label| format!("{}={}", label.key(), label.value()))
                    .collect();
                match value {
                    DebugValue::Counter(0) => None,
                    DebugValue::Counter(count) => Some(format!("{{{}}} {count}", labels.join(","))),
                    DebugValue::Gauge(_) | DebugValue::Histogram(_) => None,
                }
            })
            .collect();
        lines.sort();
        lines
    }
}

fn to(target: &str) -> Request {
    let target: SocketAddr = target.parse().unwrap();
    let mut request = Request::new(Command::CONNECT, Address::Ip(target));
    request.identity = Identity::named("joe");
    request
}

#[test]
fn refusals_by_rule() {
    recorded(async |numbers| {
        let rules: Rules = toml::from_str(
            "default = \"deny\"\n\
             [[rules]]\nname = \"no mail\"\naction = \"deny\"\nport = 25\n\
             [[rules]]\naction = \"deny\"\nport = 26\n\
             [[rules]]\naction = \"allow\"\nport = 80\n",
        )
        .unwrap();
        let service = ServiceBuilder::new()
            .layer(RequestMetricsLayer::new())
            .layer(AclLayer::new(rules))
            .service(Connector::direct());
        for target in [
            "192.0.2.1:25",
            "192.0.2.2:25",
            "192.0.2.1:26",
            "8.8.8.8:27",
            "127.0.0.1:80",
        ] {
            assert!(service.clone().oneshot(to(target)).await.is_err());
        }
        assert_eq!(
            numbers.of(names::REFUSALS),
            [
                "{reason=default} 1",
                "{reason=rule 1 (no mail)} 2",
                "{reason=rule 2} 1",
                "{reason=special-purpose} 1"
            ]
        );
    });
}

#[test]
fn a_closure_has_no_name() {
    recorded(async |numbers| {
        let service = ServiceBuilder::new()
            .layer(RequestMetricsLayer::new())
            .layer(AclLayer::new(|_: &Request, _: Check| {
                Err(tower_socks::Refusal::not_allowed("closed"))
            }))
            .service(Connector::direct());
        assert!(service.oneshot(to("127.0.0.1:80")).await.is_err());
        assert_eq!(numbers.of(names::REFUSALS), ["{reason=other} 1"]);
    });
}

/// A service whose tunnels are there at once.
fn nowhere() -> impl Service<
    Request,
    Response = tower_socks::session::Connected<tokio::io::DuplexStream>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Send
+ 'static {
    service_fn(async |_: Request| {
        Ok(tower_socks::session::Connected::new(
            tokio::io::duplex(64).0,
            Address::UNSPECIFIED,
        ))
    })
}

#[test]
fn limits_that_are_reached_and_released() {
    recorded(async |numbers| {
        let service = ServiceBuilder::new()
            .layer(RequestMetricsLayer::new())
            .layer(LimitLayer::new(ConcurrentTunnels::new(1, key::user)))
            .service(nowhere());
        let first = service.clone().oneshot(to("192.0.2.1:80")).await.unwrap();
        for _ in 0..3 {
            assert!(service.clone().oneshot(to("192.0.2.1:80")).await.is_err());
        }
        assert_eq!(
            numbers.of(names::LIMIT_EVENTS),
            ["{limit=tunnels,event=reached} 1"]
        );
        drop(first);
        assert_eq!(
            numbers.of(names::LIMIT_EVENTS),
            ["{limit=tunnels,event=released} 1"]
        );
        let again = service.clone().oneshot(to("192.0.2.1:80")).await.unwrap();
        assert!(service.oneshot(to("192.0.2.1:80")).await.is_err());
        assert_eq!(
            numbers.of(names::LIMIT_EVENTS),
            ["{limit=tunnels,event=reached} 1"]
        );
        drop(again);
    });
    recorded(async |numbers| {
        tokio::time::pause();
        let service = ServiceBuilder::new()
            .layer(RequestMetricsLayer::new())
            .layer(LimitLayer::new(RequestRate::per_second(
                NonZeroU32::MIN,
                key::user,
            )))
            .service(nowhere());
        let ask = async || service.clone().oneshot(to("192.0.2.1:80")).await.is_ok();
        assert!(ask().await && !ask().await && !ask().await);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(ask().await);
        assert_eq!(
            numbers.of(names::LIMIT_EVENTS),
            [
                "{limit=requests,event=reached} 1",
                "{limit=requests,event=released} 1"
            ]
        );
        assert!(!ask().await);
        assert_eq!(numbers.of(names::REFUSALS), ["{reason=limit requests} 1"]);
    });
    recorded(async |numbers| {
        tokio::time::pause();
        let quota = ByteQuota::new(0, Duration::from_secs(60), key::user);
        let service = ServiceBuilder::new()
            .layer(RequestMetricsLayer::new())
            .layer(MeterLayer::new(quota))
            .service(nowhere());
        assert!(service.oneshot(to("192.0.2.1:80")).await.is_err());
        assert_eq!(
            numbers.of(names::LIMIT_EVENTS),
            ["{limit=quota,event=reached} 1"]
        );
    });
}

#[test]
fn a_tunnel_that_the_operator_closes() {
    recorded(async |numbers| {
        let open = OpenTunnels::new();
        let service = ServiceBuilder::new()
            .layer(RequestMetricsLayer::new())
            .layer(open.layer())
            .service(nowhere());
        let tunnel = service.oneshot(to("192.0.2.1:80")).await.unwrap();
        let (_client, near) = tokio::io::duplex(64);
        let running = tokio::spawn(tunnel.run(tower_socks::io::PrefixedStream::new(near)));
        while open.list().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(open.close(open.list()[0].id));
        assert!(running.await.unwrap().is_err());
        assert_eq!(numbers.of(names::REFUSALS), ["{reason=operator} 1"]);
    });
}

#[test]
fn datagrams_and_why_they_are_dropped() {
    recorded(async |numbers| {
        let rules: Rules = toml::from_str(
            "default = \"allow\"\nallow_private = true\n[[rules]]\naction = \"deny\"\nport = 7\n",
        )
        .unwrap();
        let resolver =
            service_fn(async |_: Lookup| Err::<Vec<IpAddr>, _>(BoxError::from("no such host")));
        let paths = MakeDirect::new().resolver(resolver);
        let connector =
            Connector::direct().with_associate(Associate::with_transports(paths).drop_fragments());
        let service = ServiceBuilder::new()
            .layer(RequestMetricsLayer::new())
            .layer(AclLayer::new(rules))
            .service(connector);
        let association = Association::new(stack(service)).await;
        let target = socket("127.0.0.1").await;
        let there = address(target.local_addr().unwrap());

        // Somebody else's. Once the client's port is known, the system drops them.
        let stranger = socket("127.0.0.2").await;
        association
            .send_from(&stranger, &datagram(0, &there, b"me"))
            .await;
        association.echo(&target, b"hello").await;
        association.echo(&target, b"").await;
        // No header, a fragment, refused, an address that is none, a name that there is not.
        association.send(b"\0\0").await;
        association.send(&datagram(1, &there, b"half")).await;
        let refused = address(([127, 0, 0, 1], 7).into());
        association.send(&datagram(0, &refused, b"no")).await;
        let many = address(([224, 0, 0, 1], 9).into());
        association.send(&datagram(0, &many, b"no")).await;
        let nobody = name("nobody.invalid", 9);
        association.send(&datagram(0, &nobody, b"no")).await;
        association.echo(&target, b"bye").await;

        assert_eq!(
            numbers.of(names::DATAGRAMS_DROPPED),
            [
                "{reason=fragment} 1",
                "{reason=malformed} 1",
                "{reason=refused} 2",
                "{reason=stranger} 1",
                "{reason=unresolved} 1",
            ]
        );
        drop(association);
    });
}

#[test]
fn reasons_have_words_of_their_own() {
    for (place, reason) in DropReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, place);
        let others = DropReason::ALL.into_iter().filter(|it| *it != reason);
        assert!(others.into_iter().all(|it| it.as_str() != reason.as_str()));
    }
}
