//! O10: the end of the stream, and silence.

use std::time::Duration;

use tower_socks::{Connector, connector::associate::Associate, relay::RelayErrorKind};

use crate::{
    support::{
        udp::{association::socket, pass, within},
        within_an_hour,
    },
    tunnel::{MODES, Tunnel, at, relay_error, stack},
};

#[tokio::test]
async fn o10_the_end_of_the_stream_ends_the_association() {
    within(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let mut tunnel = Tunnel::to(mode, stack(Connector::direct()), &at(&target)).await;
            let source = tunnel.echo(&target, b"ping").await;
            tunnel.close().await.unwrap();
            tokio::net::UdpSocket::bind(("127.0.0.1", source.port()))
                .await
                .expect("the port is free");
        }
    })
    .await;
}

#[tokio::test]
async fn o9_silence_ends_the_association() {
    within_an_hour(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let connector = Connector::direct()
                .with_associate(Associate::new().idle_timeout(Duration::from_secs(60)));
            let mut tunnel = Tunnel::to(mode, stack(connector), &at(&target)).await;
            for _ in 0..3 {
                let source = tunnel.echo(&target, b"").await;
                pass(40).await;
                // No sign of the client's life.
                target.send_to(b"more", source).await.unwrap();
                tunnel.hear(target.local_addr().unwrap(), b"more").await;
            }
            pass(30).await;
            let ended = tunnel.client.outcome().await.unwrap_err();
            let (error, text) = relay_error(&ended);
            assert_eq!(error.kind(), RelayErrorKind::Idle, "{text}");
        }
    })
    .await;
}
