//! A mapping of errors to reply codes of one's own decides on BIND's second reply too.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream};
use tower::{Layer, ServiceExt};
use tower_socks::{
    AclLayer, AuthLayer, Connector, HandshakeLayer, NoAuth, Request, Tunnel,
    connector::bind::Bind,
    error::{Fault, reply_code},
    layer::{auth::Auth, handshake::Handshake},
    proto::{Address, Command, ReplyCode},
};

use crate::support::{
    Script, failure,
    udp::{
        BIND, Client, ClientScript,
        binding::{assert_turned_away, dst, ends_with},
        pass,
        policies::forbidding,
        quiet_port, within,
    },
};

/// A mapping whose codes are no others': 0x80 more than those of the table.
fn mapped<S: Clone>(service: S) -> Handshake<Auth<NoAuth, S>> {
    HandshakeLayer::new()
        .reply_code(|error| ReplyCode(0x80 + reply_code(error).0))
        .layer(AuthLayer::new(NoAuth).layer(service))
}

#[tokio::test]
async fn a_peer_that_does_not_come_in_time_is_mapped() {
    within(async {
        let bind = Bind::new().accept_timeout(Duration::from_secs(20));
        let mut client = Client::new(mapped(Connector::direct().with_bind(bind))).await;
        client.io.request(BIND, &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        pass(20).await;
        ends_with(client, 0x86, bound).await;
    })
    .await;
}

/// The log goes on to say whose fault it was, whatever the client is told.
#[tokio::test]
async fn a_peer_that_a_policy_refuses_is_mapped_and_stays_refused() {
    within(async {
        let (policy, _) = forbidding(|_, address| address.is_some());
        let service = AclLayer::new(policy).layer(Connector::direct());
        let mut client = Client::new(mapped(service)).await;
        client.io.request(BIND, &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        let peer = TcpStream::connect(bound).await.unwrap();
        assert_turned_away(peer).await;
        client.io.hear(&failure(0x82)).await;
        client.io.hear_end().await;
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Refused);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_peer_comes_is_told_a_mapped_code() {
    within(async {
        let mut client = Client::new(mapped(Connector::direct())).await;
        client.io.request(BIND, &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        client.io.shutdown().await.unwrap();
        ends_with(client, 0x81, bound).await;
    })
    .await;
}

#[tokio::test]
async fn the_first_reply_is_mapped_as_well() {
    within(async {
        let port = quiet_port();
        let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let bind = Bind::new().ports(port..=port);
        let mut client = Client::new(mapped(Connector::direct().with_bind(bind))).await;
        client.io.request(BIND, &dst("127.0.0.1")).await;
        client.io.hear(&failure(0x81)).await;
        client.io.hear_end().await;
    })
    .await;
}

/// Without a handshake there is no mapping, and the second reply is by the table.
#[tokio::test]
async fn without_a_handshake_the_table_decides() {
    within(async {
        let mut request = Request::new(Command::BIND, "127.0.0.1:20".parse().unwrap());
        request.local = ([127, 0, 0, 1], 1080).into();
        let bind = Bind::new().accept_timeout(Duration::ZERO);
        let binding = bind.oneshot(request).await.unwrap();
        assert!(matches!(binding.bound(), Address::Ip(_)));
        let (mut client, near) = tokio::io::duplex(64);
        let running = tokio::spawn(binding.run(tower_socks::io::PrefixedStream::new(near)));
        client.hear(&failure(6)).await;
        client.hear_end().await;
        drop(client);
        assert!(running.await.unwrap().is_err());
    })
    .await;
}
