//! P6: behind a load balancer an association is the client's of the PROXY header, and nobody else's.

use std::net::SocketAddr;

use tower::Layer;
use tower_socks::{
    Connector,
    layer::proxy_protocol::ProxyProtocolLayer,
    proto::{ProxyHeader, ProxyVersion},
};

use crate::support::{
    Script,
    udp::{
        ASSOCIATE, BIND, Client, ClientScript, address,
        association::{Association, assert_silent, datagram, socket},
        binding::{connect_at_once, connects, dst},
        stack, within,
    },
};

/// A client at `client`, whose connection a balancer at 127.0.0.1 forwards.
async fn behind(client: &str) -> Client {
    let layer = ProxyProtocolLayer::trusting(["127.0.0.1".parse().unwrap()]);
    let mut control = Client::new(layer.layer(stack(Connector::direct()))).await;
    let source = SocketAddr::new(client.parse().unwrap(), 40_000);
    let header = ProxyHeader::new(ProxyVersion::V2, source, "192.0.2.1:1080".parse().unwrap());
    control.io.say(&header.encode()).await;
    control
}

#[tokio::test]
async fn p6_datagrams_come_from_the_client_and_not_from_the_balancer() {
    within(async {
        let mut control = behind("127.0.0.5").await;
        let anywhere = address("0.0.0.0:0".parse().unwrap());
        control.io.request(ASSOCIATE, &anywhere).await;
        let relay = control.io.bound().await;
        // Where the client comes to is our own address, and not the balancer's.
        assert_eq!(relay.ip().to_string(), "127.0.0.1");
        let udp = socket("127.0.0.5").await;
        let association = Association {
            control,
            udp,
            relay,
        };
        let target = socket("127.0.0.1").await;
        let forged = datagram(0, &address(target.local_addr().unwrap()), b"forged");
        association
            .send_from(&socket("127.0.0.1").await, &forged)
            .await;
        association.echo(&target, b"mine").await;
        assert_silent(&target);
    })
    .await;
}

#[tokio::test]
async fn p6_bind_listens_on_our_own_address() {
    within(async {
        let mut client = behind("127.0.0.5").await;
        client.io.request(BIND, &dst("0.0.0.0")).await;
        let bound = client.io.bound().await;
        assert_eq!(bound.ip().to_string(), "127.0.0.1");
        let peer = connect_at_once(bound);
        connects(&mut client, peer).await;
    })
    .await;
}
