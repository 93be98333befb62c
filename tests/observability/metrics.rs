//! What the recorder hears of sessions, requests, tunnels and lookups.

use std::net::IpAddr;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, HandshakeLayer, NoAuth, Request, UserPass, Users,
    connector::resolve::{Lookup, Resolve},
    layer::metrics::{
        LookupMetricsLayer, RequestMetricsLayer, SessionMetricsLayer, UpstreamMetricsLayer, names,
    },
    proto::{Address, Command, DomainName},
};

use crate::support::{CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, targets::targets};

/// Runs a test with a recorder of its own, on this thread.
fn recorded(test: impl AsyncFnOnce(Snapshotter)) {
    let recorder = DebuggingRecorder::new();
    let numbers = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        names::describe();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test(numbers));
    });
}

/// `name{label=value,..} value` of everything that is not 0, sorted.
fn lines(numbers: &Snapshotter) -> Vec<String> {
    let numbers = numbers.snapshot().into_vec();
    let mut lines: Vec<_> = numbers
        .into_iter()
        .filter_map(|(key, _, _, value)| {
            let labels: Vec<_> = key
                .key()
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            let value = match value {
                DebugValue::Counter(0) => return None,
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(value) => value.to_string(),
                DebugValue::Histogram(values) => format!("{} times", values.len()),
            };
            Some(format!(
                "{}{{{}}} {value}",
                key.key().name(),
                labels.join(",")
            ))
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_session_from_its_beginning_to_its_end() {
    recorded(async |numbers| {
        let (service, mut incoming) = targets();
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .layer(RequestMetricsLayer::new())
            .service(service);
        let mut client = Client::new(stack);
        client.io.say(HELLO).await;
        client.io.hear(HELLO_OK).await;
        assert_eq!(lines(&numbers), ["socks_sessions_open{} 1"]);
        client.io.say(CONNECT).await;
        client.io.hear(CONNECTED).await;
        let (_, mut target) = incoming.recv().await.unwrap();
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        target.say(b"hello").await;
        client.io.hear(b"hello").await;
        let open = lines(&numbers);
        assert!(
            open.contains(&"socks_tunnels_open{command=connect} 1".to_owned()),
            "{open:?}"
        );

        drop(target);
        client.lingering_close().await.unwrap();
        let done = lines(&numbers);
        for line in [
            "socks_sessions_open{} -1",
            "socks_sessions_total{outcome=done} 1",
            "socks_tunnels_open{command=connect} -1",
            "socks_tunnel_seconds{command=connect} 1 times",
        ] {
            assert!(done.contains(&line.to_owned()), "{line} in {done:?}");
        }
        // A snapshot tells what has changed since the one before.
        let taken = [
            "socks_bytes_total{direction=down,transport=tcp} 5",
            "socks_bytes_total{direction=up,transport=tcp} 4",
            "socks_dial_seconds{command=connect} 1 times",
            "socks_requests_total{command=connect,reply_code=0} 1",
        ];
        for line in taken {
            let line = line.to_owned();
            assert!(
                open.contains(&line) || done.contains(&line),
                "{line} in {open:?} {done:?}"
            );
        }
    });
}

#[test]
fn failed_logins_and_failed_requests() {
    recorded(async |numbers| {
        let users: Users = [("joe", "secret")].into_iter().collect();
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(UserPass::new(users)))
            .layer(RequestMetricsLayer::new())
            .service(targets().0);
        crate::support::exchange(stack.clone(), b"\x05\x01\x02\x01\x03joe\x05wrong").await;
        crate::support::exchange(stack.clone(), HELLO).await;
        crate::support::exchange(stack, b"garbage").await;
        let lines = lines(&numbers);
        for line in [
            // A greeting without an acceptable method is no failed login.
            "socks_authentication_failures_total{} 1",
            "socks_sessions_open{} 0",
            "socks_sessions_total{outcome=refused} 1",
            "socks_sessions_total{outcome=client} 2",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
        }
    });
}

/// Tickets that are refused are failed logins; keys that are missing are our own doing.
#[test]
fn refused_tickets_are_failed_logins() {
    use crate::support::gssapi::{Mock, framed};
    use tower_socks::layer::auth::Gssapi;

    recorded(async |numbers| {
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(Gssapi::new(Mock::default())))
            .service(targets().0);
        for token in [&b"expired"[..], b"keytab"] {
            let said = [b"\x05\x01\x01", &framed(1, token)[..]].concat();
            let mut client = Client::new(stack.clone());
            client.io.say(&said).await;
            client.io.hear(b"\x05\x01\x01\xff").await;
            assert!(client.lingering_close().await.is_err());
        }
        let lines = lines(&numbers);
        for line in [
            "socks_authentication_failures_total{} 1",
            "socks_sessions_total{outcome=refused} 1",
            "socks_sessions_total{outcome=server} 1",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
        }
    });
}

#[test]
fn what_clients_invent_has_one_label() {
    recorded(async |numbers| {
        let service = RequestMetricsLayer::new().layer(tower_socks::Connector::direct());
        for command in [9, 77, 200] {
            let request = Request::new(Command(command), Address::UNSPECIFIED);
            assert!(service.clone().oneshot(request).await.is_err());
        }
        assert_eq!(
            lines(&numbers),
            [
                "socks_dial_seconds{command=other} 3 times",
                "socks_requests_total{command=other,reply_code=7} 3",
            ]
        );
    });
}

#[test]
fn lookups_of_clients_have_labels_of_their_own() {
    recorded(async |numbers| {
        let service = RequestMetricsLayer::new().layer(tower_socks::Connector::direct());
        for command in [Command::RESOLVE, Command::RESOLVE_PTR] {
            let request = Request::new(command, Address::UNSPECIFIED);
            assert!(service.clone().oneshot(request).await.is_err());
        }
        assert_eq!(
            lines(&numbers),
            [
                "socks_dial_seconds{command=resolve_ptr} 1 times",
                "socks_dial_seconds{command=resolve} 1 times",
                "socks_requests_total{command=resolve,reply_code=7} 1",
                "socks_requests_total{command=resolve_ptr,reply_code=7} 1",
            ]
        );
    });
}

#[test]
fn lookups() {
    recorded(async |numbers| {
        let resolver = LookupMetricsLayer::new().layer(service_fn(async |lookup: Lookup| {
            match lookup.name.as_str() {
                "here" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
                _ => Err(BoxError::from("no such host")),
            }
        }));
        for name in ["here", "there", "here"] {
            let name = DomainName::new(name).unwrap();
            let _ = resolver.resolve(name.into()).await;
        }
        assert_eq!(
            lines(&numbers),
            [
                "socks_resolve_failures_total{kind=other} 1",
                "socks_resolve_seconds{outcome=failed} 1 times",
                "socks_resolve_seconds{outcome=ok} 2 times",
            ]
        );
    });
}

#[test]
fn upstreams() {
    recorded(async |numbers| {
        let measured = UpstreamMetricsLayer::new("paris");
        measured.touch();
        measured.set_up(true);
        measured.probe_failed();
        let dial = |outcome: fn() -> Result<(), BoxError>| {
            measured
                .layer(service_fn(move |()| async move { outcome() }))
                .oneshot(())
        };
        use tower::Service;
        use tower_socks::{
            ClientError::{Denied, Refused},
            proto::ReplyCode,
        };
        assert!(dial(|| Ok(())).await.is_ok());
        assert!(dial(|| Err(Denied.into())).await.is_err());
        assert!(
            dial(|| Err(Refused(ReplyCode::NOT_ALLOWED).into()))
                .await
                .is_err()
        );
        assert!(
            dial(|| Err(Refused(ReplyCode::CONNECTION_REFUSED).into()))
                .await
                .is_err()
        );
        // The client has gone.
        let mut service = measured.layer(service_fn(|()| {
            std::future::pending::<Result<(), BoxError>>()
        }));
        drop(service.call(()));
        assert_eq!(
            lines(&numbers),
            [
                "socks_upstream_dial_seconds{upstream=paris} 5 times",
                "socks_upstream_dials_total{upstream=paris,outcome=dropped} 1",
                "socks_upstream_dials_total{upstream=paris,outcome=ok} 1",
                "socks_upstream_dials_total{upstream=paris,outcome=refused} 1",
                "socks_upstream_dials_total{upstream=paris,outcome=target} 1",
                "socks_upstream_dials_total{upstream=paris,outcome=upstream} 1",
                "socks_upstream_probe_failures_total{upstream=paris} 1",
                "socks_upstream_up{upstream=paris} 1",
            ]
        );
    });
}
