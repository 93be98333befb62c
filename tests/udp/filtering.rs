//! A14: whose answers reach the client.

use std::net::SocketAddr;

use tower::Layer;
use tower_socks::{
    AclLayer, Connector,
    connector::associate::{Associate, Filtering, MakeDirect},
};

use crate::support::udp::{
    association::{Association, assert_silent, receive, socket},
    policies::forbidding,
    stack, within,
};

/// An association with paths of these options.
async fn with_transports(paths: MakeDirect) -> Association {
    let associate = Associate::with_transports(paths);
    Association::new(stack(Connector::direct().with_associate(associate))).await
}

/// Three sources that were not sent to: another host, the same host from another port, and, after
/// the target, the target itself. Which of them the client hears of.
async fn heard_with(filtering: Filtering) -> Vec<String> {
    let association = with_transports(MakeDirect::new().filtering(filtering)).await;
    let target = socket("127.0.0.1").await;
    let out = association.echo(&target, b"ping").await;
    let (host, port) = (socket("127.0.0.2").await, socket("127.0.0.1").await);
    host.send_to(b"another host", out).await.unwrap();
    port.send_to(b"another port", out).await.unwrap();
    target.send_to(b"the target", out).await.unwrap();
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "the target") {
        let (datagram, _) = receive(&association.udp).await;
        let from = match heard_from(&datagram) {
            from if from == host.local_addr().unwrap() => "another host",
            from if from == port.local_addr().unwrap() => "another port",
            from if from == target.local_addr().unwrap() => "the target",
            other => panic!("from {other}"),
        };
        assert_eq!(&datagram[10..], from.as_bytes());
        heard.push(from.to_owned());
    }
    heard
}

/// The source in the header of an answer over IPv4.
fn heard_from(datagram: &[u8]) -> SocketAddr {
    assert_eq!(&datagram[..4], b"\0\0\0\x01");
    let ip: [u8; 4] = datagram[4..8].try_into().unwrap();
    (ip, u16::from_be_bytes([datagram[8], datagram[9]])).into()
}

#[tokio::test]
async fn a14_answers_come_from_hosts_that_were_sent_to() {
    within(async {
        let heard = heard_with(Filtering::default()).await;
        assert_eq!(heard, ["another port", "the target"]);
        let heard = heard_with(Filtering::AddressDependent).await;
        assert_eq!(heard, ["another port", "the target"]);
    })
    .await;
}

#[tokio::test]
async fn a14_answers_may_have_to_come_from_the_port_as_well() {
    within(async {
        let heard = heard_with(Filtering::AddressAndPortDependent).await;
        assert_eq!(heard, ["the target"]);
    })
    .await;
}

#[tokio::test]
async fn a14_anyone_may_answer_where_that_is_wanted() {
    within(async {
        let heard = heard_with(Filtering::EndpointIndependent).await;
        assert_eq!(heard, ["another host", "another port", "the target"]);
    })
    .await;
}

#[tokio::test]
async fn a14_anyone_is_anyone_that_the_policy_allows() {
    within(async {
        let (policy, _) = forbidding(|_, address: Option<SocketAddr>| {
            address.is_some_and(|address| address.ip().to_string() == "127.0.0.2")
        });
        let paths = MakeDirect::new().filtering(Filtering::EndpointIndependent);
        let connector = Connector::direct().with_associate(Associate::with_transports(paths));
        let service = AclLayer::new(policy).layer(connector);
        let association = Association::new(stack(service)).await;
        let out = association.echo(&socket("127.0.0.1").await, b"ping").await;
        let (forbidden, allowed) = (socket("127.0.0.2").await, socket("127.0.0.3").await);
        forbidden.send_to(b"forbidden", out).await.unwrap();
        allowed.send_to(b"allowed", out).await.unwrap();
        association.hear(&allowed, b"allowed").await;
    })
    .await;
}

#[tokio::test]
async fn a14_a_destination_that_was_refused_was_not_sent_to() {
    within(async {
        let (policy, _) = forbidding(|_, address: Option<SocketAddr>| {
            address.is_some_and(|address| address.ip().to_string() == "127.0.0.2")
        });
        let service = AclLayer::new(policy).layer(Connector::direct());
        let association = Association::new(stack(service)).await;
        let (target, forbidden) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        association.say(&forbidden, b"forbidden").await;
        let out = association.echo(&target, b"ping").await;
        forbidden.send_to(b"unasked", out).await.unwrap();
        association.echo(&target, b"ping").await;
        assert_silent(&forbidden);
    })
    .await;
}
