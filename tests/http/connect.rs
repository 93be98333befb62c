//! H1: tunnels by CONNECT.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tower_socks::{NoAuth, proto::Command, session::Protocol};

use super::{CONNECT, CONNECTED, stack};
use crate::support::{
    Client, LOCAL, PEER, Script, ended, settle,
    targets::{endless, slow_targets, targets},
    within,
};

#[tokio::test(start_paused = true)]
async fn h1_200_comes_after_the_dial_and_has_no_length() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(CONNECT).await;
        let (request, mut target) = dialled.recv().await.unwrap();
        assert_eq!(request.command, Command::CONNECT);
        assert_eq!(request.target.to_string(), "192.0.2.1:80");
        assert_eq!(request.protocol, Protocol::Http);
        assert_eq!(request.peer.to_string(), PEER);
        assert_eq!(request.local.to_string(), LOCAL);
        tokio::select! {
            biased;
            heard = tokio::io::AsyncReadExt::read_u8(&mut client.io) => panic!("{heard:?} before the dial"),
            () = tokio::time::sleep(Duration::from_secs(3)) => {}
        }
        gate.add_permits(1);
        client.io.hear(CONNECTED).await;
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        target.say(b"pong!").await;
        client.io.hear(b"pong!").await;
        client.io.shutdown().await.unwrap();
        target.hear_end().await;
        drop(target);
        client.io.hear_end().await;
        assert_eq!(ended(client.outcome().await), (4, 5));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h1_split_at_every_octet() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say_bytewise(CONNECT).await;
        client.io.hear(CONNECTED).await;
        assert_eq!(
            dialled.recv().await.unwrap().0.target.to_string(),
            "192.0.2.1:80"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h1_octets_behind_the_head_go_first() {
    for len in [1, 1000, 2048, 4000, 10_000, 60_000] {
        within(async {
            let (dialer, gate, mut dialled) = slow_targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            let early: Vec<u8> = (0..len)
                .map(|at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0])
                .collect();
            client.io.say(&[CONNECT, &early].concat()).await;
            settle().await;
            gate.add_permits(1);
            client.io.hear(CONNECTED).await;
            client.io.say(b"and this later").await;
            let (_, mut target) = dialled.recv().await.unwrap();
            target.hear(&early).await;
            target.hear(b"and this later").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_close_behind_connect_does_not_end_the_dial() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[CONNECT, b"all there is"].concat()).await;
        client.io.shutdown().await.unwrap();
        settle().await;
        gate.add_permits(1);
        client.io.hear(CONNECTED).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        target.hear(b"all there is").await;
        target.hear_end().await;
        target.say(b"the answer").await;
        drop(target);
        client.io.hear(b"the answer").await;
        client.io.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_resets_cancels_its_dial() {
    within(async {
        let (dialer, mut events) = endless();
        let proxy = crate::support::proxy(stack(NoAuth, dialer)).await;
        let mut client = tokio::net::TcpStream::connect(proxy).await.unwrap();
        client.say(CONNECT).await;
        assert_eq!(events.recv().await, Some("begun"));
        client.set_zero_linger().unwrap();
        drop(client);
        assert_eq!(events.recv().await, Some("dropped"));
    })
    .await;
}
