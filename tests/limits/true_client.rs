//! P6: the client of a PROXY header is the one that rules, limits, failed logins, log lines and metrics see.

use std::{net::SocketAddr, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::{io::AsyncWriteExt, time::Instant};
use tower::{Layer, ServiceBuilder};
use tower_socks::{
    AclLayer, AuthLayer, HandshakeLayer, NoAuth, Rules, UserPass, Users,
    layer::{
        key,
        limit::{ConcurrentTunnels, FailedLoginsLayer, LimitLayer},
        metrics::SessionMetricsLayer,
        proxy_protocol::ProxyProtocolLayer,
    },
    proto::{ProxyHeader, ProxyVersion},
};
use tracing::Level;

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, PEER, Script, failure, log::Log, stack,
    targets::targets, within,
};

fn trusting() -> ProxyProtocolLayer {
    ProxyProtocolLayer::trusting([PEER.parse::<SocketAddr>().unwrap().ip().into()])
}

fn header(client: &str) -> Vec<u8> {
    let source = SocketAddr::new(client.parse().unwrap(), 40_000);
    ProxyHeader::new(ProxyVersion::V2, source, "192.0.2.1:1080".parse().unwrap()).encode()
}

#[tokio::test(start_paused = true)]
async fn p6_rules() {
    within(async {
        let rules: Rules = toml::from_str(
            "default = \"deny\"\n[[rules]]\naction = \"allow\"\nclient = [\"198.18.0.0/16\"]\nto = [\"192.0.2.0/24\"]",
        )
        .unwrap();
        let (dialer, _dialled) = targets();
        let stack = trusting().layer(stack(NoAuth, AclLayer::new(rules).layer(dialer)));
        for (client, allowed) in [("198.18.0.7", true), ("198.19.0.7", false), ("203.0.113.5", false)] {
            let mut client_ = Client::new(stack.clone());
            client_.io.say(&[&header(client), HELLO, CONNECT].concat()).await;
            client_.io.hear(HELLO_OK).await;
            match allowed {
                true => client_.io.hear(CONNECTED).await,
                false => client_.io.hear(&failure(2)).await,
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn p6_limits_by_client() {
    within(async {
        let (dialer, mut dialled) = targets();
        let limit = LimitLayer::new(ConcurrentTunnels::new(1, key::client));
        let stack = trusting().layer(stack(NoAuth, limit.layer(dialer)));
        let connect = async |address: &str| {
            let mut client = Client::new(stack.clone());
            client
                .io
                .say(&[&header(address), HELLO, CONNECT].concat())
                .await;
            client.io.hear(HELLO_OK).await;
            client
        };
        let mut held = Vec::new();
        for n in 1..10 {
            let mut client = connect(&format!("198.18.0.{n}")).await;
            client.io.hear(CONNECTED).await;
            held.push((client, dialled.recv().await));
        }
        connect("198.18.0.3").await.io.hear(&failure(2)).await;
    })
    .await;
}

/// Who guesses passwords behind a balancer slows nobody down but itself.
#[tokio::test(start_paused = true)]
async fn p6_failed_logins() {
    within(async {
        let users: Users = [("joe", "secret"), ("jane", "own")].into_iter().collect();
        let (dialer, _dialled) = targets();
        let stack = ServiceBuilder::new()
            .layer(trusting())
            .layer(HandshakeLayer::new())
            .layer(FailedLoginsLayer::new())
            .layer(AuthLayer::new(UserPass::new(users)))
            .service(dialer);
        let login = async |address: &str, credentials: &[u8], status: &[u8]| {
            let started = Instant::now();
            let mut client = Client::new(stack.clone());
            client
                .io
                .say(&[&header(address), b"\x05\x01\x02".as_slice(), credentials].concat())
                .await;
            client.io.hear(b"\x05\x02").await;
            client.io.hear(status).await;
            started.elapsed()
        };
        for _ in 0..8 {
            login("198.18.0.1", b"\x01\x03joe\x05wrong", b"\x01\x01").await;
        }
        let guesser = login("198.18.0.1", b"\x01\x04jane\x03own", b"\x01\x00").await;
        let other = login("198.51.100.2", b"\x01\x04jane\x03own", b"\x01\x00").await;
        assert!(guesser > Duration::ZERO, "the guesser waits for nothing");
        assert_eq!(other, Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn p6_log_lines_and_spans() {
    let (log, _guard) = Log::start(Level::INFO);
    within(async {
        let (dialer, mut dialled) = targets();
        let stack = trusting().layer(stack(NoAuth, dialer));
        let mut client = Client::new(stack);
        client
            .io
            .say(&[&header("198.18.0.7"), HELLO, CONNECT].concat())
            .await;
        client.io.hear(HELLO_OK).await;
        client.io.hear(CONNECTED).await;
        drop(dialled.recv().await);
        client.io.hear_end().await;
        client.lingering_close().await.unwrap();
    })
    .await;
    let lines = log.text();
    assert!(
        lines.contains("session{peer=198.18.0.7:40000 protocol=socks5"),
        "{lines}"
    );
    assert!(
        lines.contains("session ended") && !lines.contains("203.0.113.5"),
        "{lines}"
    );
}

/// Sessions are counted with the outcome that they have: a check is none that fails.
#[test]
fn p6_metrics_of_sessions() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(within(async {
            let (dialer, _dialled) = targets();
            let stack = SessionMetricsLayer::new().layer(trusting().layer(stack(NoAuth, dialer)));
            for said in [
                &header("198.18.0.7")[..],
                b"",
                &ProxyHeader::local().encode(),
            ] {
                let mut check = Client::new(stack.clone());
                check.io.say(said).await;
                check.io.shutdown().await.unwrap();
                check.io.hear_end().await;
                check.lingering_close().await.unwrap();
            }
            let mut forged = Client::new(stack);
            forged.io.say(HELLO).await;
            forged.io.hear_end().await;
        }));
    });
    let mut outcomes: Vec<(String, u64)> = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let label = key.key().labels().find(|label| label.key() == "outcome");
        if let (Some(label), DebugValue::Counter(count)) = (label, value) {
            outcomes.push((label.value().to_owned(), count));
        }
    }
    outcomes.sort();
    assert_eq!(outcomes, [("client".to_owned(), 1), ("done".to_owned(), 3)]);
}
