//! How a session ended, and what was asked for, as the recorder hears of it.

use std::io;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::io::AsyncWriteExt;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, HandshakeLayer, NoAuth, Refusal, Request,
    layer::{
        metrics::{RequestMetricsLayer, SessionMetricsLayer, names},
        mixed::MixedLayer,
        socks4::Socks4Layer,
    },
    proto::{Address, Command, ReplyCode},
    session::Accepted,
};

use crate::support::{
    CONNECT, Client, HELLO, HELLO_OK, Script, exchange, failure,
    targets::{Dialer, failing, targets},
};

/// Runs a test with a recorder of its own, on this thread.
fn recorded(test: impl AsyncFnOnce(Snapshotter)) {
    let recorder = DebuggingRecorder::new();
    let numbers = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test(numbers));
    });
}

/// `label=value,.. count` of all counters of a name, sorted.
fn counted(numbers: &Snapshotter, name: &str) -> Vec<String> {
    let numbers = numbers.snapshot().into_vec();
    let mut lines: Vec<_> = numbers
        .into_iter()
        .filter(|(key, ..)| key.key().name() == name)
        .filter_map(|(key, _, _, value)| {
            let labels = key.key().labels();
            let labels: Vec<_> = labels
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            match value {
                DebugValue::Counter(count) => Some(format!("{} {count}", labels.join(","))),
                DebugValue::Gauge(_) | DebugValue::Histogram(_) => None,
            }
        })
        .collect();
    lines.sort();
    lines
}

/// One session that asks for a connection: what the client hears behind the greeting, and how many
/// sessions have ended how.
fn session(service: Dialer) -> (Vec<u8>, Vec<String>) {
    let mut heard = Vec::new();
    let mut ended = Vec::new();
    recorded(async |numbers| {
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .layer(RequestMetricsLayer::new())
            .service(service);
        heard = exchange(stack, &[HELLO, CONNECT].concat()).await;
        ended = counted(&numbers, names::SESSIONS);
    });
    assert_eq!(heard[..2], *HELLO_OK);
    (heard.split_off(2), ended)
}

#[test]
fn a_session_that_fails_is_counted_by_whose_fault_it_was() {
    for (code, outcome) in [
        (ReplyCode::GENERAL_FAILURE, "outcome=server 1"),
        (ReplyCode::NOT_ALLOWED, "outcome=refused 1"),
        (ReplyCode::NETWORK_UNREACHABLE, "outcome=target 1"),
        (ReplyCode::HOST_UNREACHABLE, "outcome=target 1"),
        (ReplyCode::CONNECTION_REFUSED, "outcome=target 1"),
        (ReplyCode::TTL_EXPIRED, "outcome=target 1"),
        (ReplyCode::COMMAND_NOT_SUPPORTED, "outcome=client 1"),
    ] {
        let (heard, ended) = session(failing(move || Refusal::new(code, "no")));
        assert_eq!(heard, failure(code.0));
        assert_eq!(ended, [outcome], "{code}");
    }
    let (heard, ended) = session(failing(|| io::Error::other("a bug")));
    assert_eq!(heard, failure(1));
    assert_eq!(ended, ["outcome=server 1"]);
}

/// The sessions that have ended since this was asked the last time.
fn changed(numbers: &Snapshotter) -> Vec<String> {
    let mut ended = counted(numbers, names::SESSIONS);
    ended.retain(|line| !line.ends_with(" 0"));
    ended
}

/// Health checks close at one octet or another, and that is no failure. Octets that mean nothing are one, and so is a
/// client that is too slow.
#[test]
fn a_client_that_leaves_before_its_request_is_counted_as_that() {
    recorded(async |numbers| {
        tokio::time::pause();
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(
                MixedLayer::new()
                    .socks5(HandshakeLayer::new())
                    .socks4(Socks4Layer::new()),
            )
            .layer(AuthLayer::new(NoAuth))
            .service(failing(|| io::Error::other("nobody asks")));
        for whole in [
            &[HELLO, CONNECT].concat()[..],
            b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\x00",
        ] {
            for octets in 0..whole.len() {
                let mut client = Client::new(stack.clone());
                client.io.say(&whole[..octets]).await;
                client.io.shutdown().await.unwrap();
                client.io.hear_rest().await;
                client.outcome().await.unwrap_err();
                let ended = changed(&numbers);
                assert_eq!(ended, ["outcome=left 1"], "{octets} of {whole:?}");
            }
            exchange(stack.clone(), whole).await;
            assert_eq!(changed(&numbers), ["outcome=server 1"]);
        }
        for garbage in [&b"\x01arbage"[..], b"\x05\x01\x02", b"\x05\x01\x00\x04"] {
            exchange(stack.clone(), garbage).await;
            assert_eq!(changed(&numbers), ["outcome=client 1"]);
        }
        let mut slow = Client::new(stack);
        slow.io.say(HELLO).await;
        slow.io.hear(HELLO_OK).await;
        slow.outcome().await.unwrap_err();
        assert_eq!(changed(&numbers), ["outcome=client 1"]);
    });
}

#[test]
fn a_session_that_is_dropped_is_counted_as_that() {
    recorded(async |numbers| {
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .service(failing(|| io::Error::other("nobody asks")));
        let (mut client, server) = tokio::io::duplex(64);
        let (peer, local) = (crate::support::PEER.parse(), crate::support::LOCAL.parse());
        let accepted = tower_socks::session::Accepted::new(server, peer.unwrap(), local.unwrap());
        let session = tokio::spawn(stack.oneshot(accepted));
        client.say(HELLO).await;
        client.hear(HELLO_OK).await;
        assert!(counted(&numbers, names::SESSIONS).is_empty());
        session.abort();
        session.await.unwrap_err();
        assert_eq!(counted(&numbers, names::SESSIONS), ["outcome=dropped 1"]);
    });
}

#[test]
fn an_error_that_is_no_sessions_is_our_own_fault() {
    recorded(async |numbers| {
        let service = service_fn(
            async |_: tower_socks::session::Accepted<tokio::io::DuplexStream>| {
                Err::<tower_socks::Traffic, _>(io::Error::other("not a session at all"))
            },
        );
        let counting = SessionMetricsLayer::new().layer(service);
        let (_client, server) = tokio::io::duplex(64);
        let (peer, local) = (crate::support::PEER.parse(), crate::support::LOCAL.parse());
        let accepted = tower_socks::session::Accepted::new(server, peer.unwrap(), local.unwrap());
        let error = counting.oneshot(accepted).await.unwrap_err();
        assert_eq!(error.to_string(), "not a session at all");
        assert_eq!(counted(&numbers, names::SESSIONS), ["outcome=server 1"]);
    });
}

/// The label is the code that was sent, and a session's outcome is whose fault it was all the same.
#[test]
fn a_reply_is_counted_as_it_was_sent() {
    for (name, expected) in [
        (names::REQUESTS, "command=connect,reply_code=4 1"),
        (names::SESSIONS, "outcome=refused 1"),
    ] {
        recorded(async |numbers| {
            let stack = ServiceBuilder::new()
                .layer(SessionMetricsLayer::new())
                .layer(HandshakeLayer::new().reply_code(|_| ReplyCode::HOST_UNREACHABLE))
                .layer(AuthLayer::new(NoAuth))
                .layer(RequestMetricsLayer::new())
                .service(failing(|| Refusal::not_allowed("a secret")));
            let heard = exchange(stack, &[HELLO, CONNECT].concat()).await;
            assert_eq!(heard, [HELLO_OK, &failure(4)].concat());
            assert_eq!(counted(&numbers, name), [expected]);
        });
    }
}

#[test]
fn each_command_has_a_label_and_each_reply_a_number() {
    recorded(async |numbers| {
        let fails = failing(|| Refusal::new(ReplyCode::HOST_UNREACHABLE, "nobody there"));
        let fails = RequestMetricsLayer::new().layer(fails);
        let (works, _incoming) = targets();
        let works = RequestMetricsLayer::new().layer(works);
        for command in [Command::CONNECT, Command::BIND, Command::UDP_ASSOCIATE] {
            let request = || Request::new(command, Address::UNSPECIFIED);
            assert!(works.clone().oneshot(request()).await.is_ok());
            assert!(works.clone().oneshot(request()).await.is_ok());
            assert!(fails.clone().oneshot(request()).await.is_err());
        }
        assert_eq!(
            counted(&numbers, names::REQUESTS),
            [
                "command=bind,reply_code=0 2",
                "command=bind,reply_code=4 1",
                "command=connect,reply_code=0 2",
                "command=connect,reply_code=4 1",
                "command=udp,reply_code=0 2",
                "command=udp,reply_code=4 1",
            ]
        );
    });
}

/// One count for each, by what it looks like, and no other.
#[test]
fn connections_in_a_protocol_that_is_not_served() {
    recorded(async |numbers| {
        let stack = ServiceBuilder::new()
            .layer(SessionMetricsLayer::new())
            .layer(MixedLayer::new().socks5(HandshakeLayer::new()))
            .layer(AuthLayer::new(NoAuth))
            .service(targets().0);
        for said in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"CONNECT a.example:443 HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01",
            b"\x04\x01",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            b"SSH-2.0-a",
            b"\x80",
            // Not another protocol, but none of ours that is complete.
            b"\x05",
            b"",
        ] {
            let (mut client, server) = tokio::io::duplex(512);
            let nowhere = ([127, 0, 0, 1], 0).into();
            let session = stack
                .clone()
                .oneshot(Accepted::new(server, nowhere, nowhere));
            let session = tokio::spawn(session);
            client.say(said).await;
            drop(client);
            session.await.unwrap().unwrap_err();
        }
        assert_eq!(
            counted(&numbers, names::FOREIGN_CONNECTIONS),
            [
                "protocol=http 2",
                "protocol=other 1",
                "protocol=proxy 1",
                "protocol=socks4 1",
                "protocol=ssh 1",
                "protocol=tls 1",
            ]
        );
    });
}
