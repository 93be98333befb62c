//! Ends: close_notify is half-close, and an end without it is a cut.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tower::{Layer, ServiceExt};
use tower_socks::{Connector, NoAuth, Traffic, session::Accepted};

use crate::{
    support::{HELLO, HELLO_OK, Script, connect_to, sockets::pair, stack, within},
    world::{Session, World, shake},
};

type Tls = tokio_rustls::client::TlsStream<TcpStream>;

/// A tunnel over sockets: client, target and session.
async fn tunnel(world: &World) -> (Tls, TcpStream, Session) {
    let (near, far) = pair().await;
    let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = world.layer().layer(stack(NoAuth, Connector::direct()));
    let (peer, local) = (far.peer_addr().unwrap(), far.local_addr().unwrap());
    let session = tokio::spawn(server.oneshot(Accepted::new(far, peer, local)));
    let mut client = shake(world.client(), near).await.unwrap();
    client.say(HELLO).await;
    client.hear(HELLO_OK).await;
    client
        .say(&connect_to(&target.local_addr().unwrap().to_string()))
        .await;
    client.hear(&[5, 0]).await;
    client.read_exact(&mut [0; 8]).await.unwrap();
    let (target, _) = target.accept().await.unwrap();
    (client, target, session)
}

async fn traffic(session: Session) -> Result<Traffic, tower_socks::BoxError> {
    timeout(Duration::from_secs(20), session)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn close_notify_is_half_close_of_the_client() {
    let (mut client, mut target, session) = tunnel(&World::new()).await;
    client.say(b"question").await;
    client.shutdown().await.unwrap();
    assert_eq!(target.hear_rest().await, b"question");
    // The other direction goes on.
    target.say(b"answer").await;
    client.hear(b"answer").await;
    drop(target);
    client.hear_end().await;
    let traffic = traffic(session).await.unwrap();
    assert_eq!((traffic.up, traffic.down), (8, 6));
}

#[tokio::test]
async fn half_close_of_the_target_is_close_notify() {
    let (mut client, mut target, session) = tunnel(&World::new()).await;
    target.say(b"banner").await;
    target.shutdown().await.unwrap();
    // `read_to_end` of rustls fails without close_notify.
    assert_eq!(client.hear_rest().await, b"banner");
    client.say(b"late").await;
    client.shutdown().await.unwrap();
    assert_eq!(target.hear_rest().await, b"late");
    let traffic = traffic(session).await.unwrap();
    assert_eq!((traffic.up, traffic.down), (4, 6));
}

/// Anybody on the path can end a TCP connection; what has come must not look like all of it.
#[tokio::test]
async fn an_end_without_close_notify_is_a_cut() {
    let (mut client, mut target, session) = tunnel(&World::new()).await;
    client.say(b"half").await;
    target.hear(b"half").await;
    // The TCP connection alone.
    client.get_mut().0.shutdown().await.unwrap();
    let end = within(target.read(&mut [0; 8])).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let error = traffic(session).await.unwrap_err();
    assert!(crate::support::texts(&*error).contains("the client's stream broke off"));
}

/// And so is a target that is reset: the client sees no close_notify.
#[tokio::test]
async fn a_reset_of_the_target_is_no_end_for_the_client() {
    let (mut client, mut target, session) = tunnel(&World::new()).await;
    target.say(b"half").await;
    client.hear(b"half").await;
    target.set_zero_linger().unwrap();
    drop(target);
    let end = within(client.read(&mut [0; 8])).await;
    assert!(end.is_err(), "{end:?}");
    traffic(session).await.unwrap_err();
}

/// What the target sent before it was reset arrives, although TLS has to carry it.
#[tokio::test]
async fn what_came_before_a_cut_arrives() {
    let (mut client, mut target, _session) = tunnel(&World::new()).await;
    let said = vec![b'x'; 3 << 20];
    let writing = tokio::spawn(async move {
        target.write_all(&said).await.unwrap();
        target.flush().await.unwrap();
        // Until the proxy has read all of it.
        tokio::time::sleep(Duration::from_millis(300)).await;
        target.set_zero_linger().unwrap();
    });
    let mut heard = 0;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = within(client.read(&mut buffer)).await {
        assert!(read > 0, "an end that looks complete");
        heard += read;
    }
    writing.await.unwrap();
    assert_eq!(heard, 3 << 20);
}
