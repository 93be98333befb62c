//! A client's side of BIND, and peers.

use std::{io, net::SocketAddr};

use tokio::{io::AsyncReadExt, net::TcpStream};
use tower::Layer;
use tower_socks::{
    AclLayer, Connector,
    connector::{bind::Bind, resolve::Resolve},
    session::Policy,
};

use super::{BIND, Client, ClientScript, address, stack};
use crate::support::{Script, failure};

/// DST of a peer at this address, from ATYP on.
pub fn dst(ip: &str) -> Vec<u8> {
    address(SocketAddr::new(ip.parse().unwrap(), 20))
}

/// A client right behind its request.
pub async fn requested<R: Resolve + Sync>(bind: Bind<R>, dst: &[u8]) -> Client {
    let mut client = Client::new(stack(Connector::direct().with_bind(bind))).await;
    client.io.request(BIND, dst).await;
    client
}

/// A client under a policy, right behind its request.
pub async fn judged(policy: impl Policy, dst: &[u8]) -> Client {
    let service = AclLayer::new(policy).layer(Connector::direct());
    let mut client = Client::new(stack(service)).await;
    client.io.request(BIND, dst).await;
    client
}

/// The second reply is this failure, and then the connection and the listener are gone.
pub async fn ends_with(mut client: Client, code: u8, bound: SocketAddr) {
    client.io.hear(&failure(code)).await;
    client.io.hear_end().await;
    assert_refused(bound).await;
    assert!(client.lingering_close().await.is_err());
}

pub async fn assert_refused(bound: SocketAddr) {
    let error = TcpStream::connect(bound).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

/// A connection that is made before anybody else gets a turn.
pub fn connect_at_once(to: SocketAddr) -> TcpStream {
    let stream = std::net::TcpStream::connect(to).unwrap();
    stream.set_nonblocking(true).unwrap();
    TcpStream::from_std(stream).unwrap()
}

/// The server hangs up on whoever holds this.
pub async fn assert_turned_away(mut stranger: TcpStream) {
    match stranger.read(&mut [0; 1]).await {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

/// The second reply names the peer, and bytes go both ways.
pub async fn connects(client: &mut Client, mut peer: TcpStream) {
    let named = client.io.bound().await;
    assert_eq!(named, peer.local_addr().unwrap());
    client.io.say(b"from the client").await;
    peer.hear(b"from the client").await;
    peer.say(b"from the peer").await;
    client.io.hear(b"from the peer").await;
}
