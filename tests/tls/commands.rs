//! UDP ASSOCIATE and BIND inside TLS work as without it; their peers and datagrams are not inside.

use tokio::{
    io::AsyncReadExt,
    net::{TcpStream, UdpSocket},
};
use tower::{Layer, ServiceExt};
use tower_socks::{Client, Connector, NoAuth, connector::tls::TlsConnector, proto::Address};

use crate::{
    support::{Script, proxy, stack, within},
    world::World,
};

/// A server of everything inside TLS, and how it is reached.
async fn server() -> (Address, TlsConnector) {
    let world = World::new();
    let stack = world.layer().layer(stack(NoAuth, Connector::direct()));
    let address = proxy(stack).await;
    (address.into(), TlsConnector::new(world.client()))
}

#[tokio::test]
async fn bind() {
    let (address, connector) = server().await;
    let stream = connector.oneshot(address).await.unwrap().into_inner();
    let target: Address = "127.0.0.1:9".parse().unwrap();
    let listener = Client::new().bind(stream, target).await.unwrap();
    let bound = listener.bound().to_string();
    let mut peer = TcpStream::connect(bound).await.unwrap();
    let (mut stream, from) = within(listener.accept()).await.unwrap();
    assert_eq!(from, peer.local_addr().unwrap().into());
    peer.say(b"from outside").await;
    stream.hear(b"from outside").await;
    stream.say(b"from inside").await;
    peer.hear(b"from inside").await;
    drop(peer);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn udp_associate_whose_datagrams_are_in_the_clear() {
    let (address, connector) = server().await;
    let stream = connector.oneshot(address).await.unwrap();
    let mut socket = Client::new()
        .any_relay()
        .associate(stream.into_inner())
        .await
        .unwrap();
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to: Address = target.local_addr().unwrap().into();
    socket.send_to(b"question", &to).await.unwrap();
    let mut room = [0; 64];
    let (length, relay) = within(target.recv_from(&mut room)).await.unwrap();
    assert_eq!(&room[..length], b"question");
    target.send_to(b"answer", relay).await.unwrap();
    let (length, from) = within(socket.recv_from(&mut room)).await.unwrap();
    assert_eq!((&room[..length], from), (&b"answer"[..], to));
}
