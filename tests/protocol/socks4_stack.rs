//! SOCKS4 under everything that stands between authentication and the connector, and under the server's limits.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceBuilder};
use tower_socks::{
    AuthLayer, Connector, Identity, NoAuth, UserPass,
    error::{AuthError, Fault, Step},
    layer::{
        auth::AcceptUserId,
        key,
        limit::{ConcurrentTunnels, LimitLayer},
        socks4::Socks4Layer,
        track::OpenTunnels,
    },
    serve,
    server::{HandshakeLimit, SessionLimit},
};

use crate::support::{Client, Script, targets::targets, within};

const CONNECT: &[u8] = b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\0";
const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";
const REJECTED: &[u8] = b"\x00\x5b\0\0\0\0\0\0";

/// Believes every claim.
fn claims() -> AcceptUserId<impl Fn(&[u8]) -> Option<Identity> + Clone + Send + Sync> {
    AcceptUserId::new(|claim: &[u8]| Some(Identity::named(claim)))
}

#[tokio::test(start_paused = true)]
async fn limits_and_the_list_of_open_tunnels_know_its_sessions() {
    within(async {
        let open = OpenTunnels::new();
        let (dialer, mut dialled) = targets();
        let stack = ServiceBuilder::new()
            .layer(Socks4Layer::new())
            .layer(AuthLayer::new(claims()))
            .layer(open.layer())
            .layer(LimitLayer::new(ConcurrentTunnels::new(1, key::user)))
            .service(dialer);
        let mut first = Client::new(stack.clone());
        first.io.say(CONNECT).await;
        first.io.hear(GRANTED).await;
        let (_, target) = dialled.recv().await.unwrap();
        let listed = open.list();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].identity.to_string(), "joe");

        // The same user has one already.
        let mut second = Client::new(stack.clone());
        second.io.say(CONNECT).await;
        second.io.hear(REJECTED).await;
        second.io.hear_end().await;
        let error = second.lingering_close().await.unwrap_err();
        assert_eq!((error.step(), error.fault()), (Step::Dial, Fault::Refused));

        // The operator closes it.
        assert_eq!(open.close_where(|_| true), 1);
        assert!(first.io.hear_rest().await.is_empty());
        assert!(first.lingering_close().await.is_err());
        drop(target);
        let mut third = Client::new(stack);
        third.io.say(CONNECT).await;
        third.io.hear(GRANTED).await;
    })
    .await;
}

async fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    loop {
        match ready() {
            Some(done) => return done,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test]
async fn a_connection_counts_as_one_in_the_handshake_until_its_request_is_read() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = target.local_addr().unwrap().port().to_be_bytes();
        let request = [b"\x04\x01", &port[..], b"\x7f\0\0\x01joe\0"].concat();
        let stack = Socks4Layer::new().layer(AuthLayer::new(NoAuth).layer(Connector::direct()));
        let server = serve(listener, stack).handshakes(HandshakeLimit::per_client(1));
        tokio::spawn(server.into_future());

        // One whose USERID does not end takes the only place.
        let mut slow = TcpStream::connect(proxy).await.unwrap();
        slow.say(&request[..request.len() - 1]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut other = TcpStream::connect(proxy).await.unwrap();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut other, &request).await;
        let mut heard = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut other, &mut heard).await;
        assert!(heard.is_empty(), "{heard:?}");

        // With its request it is in the handshake no longer.
        slow.say(&request[request.len() - 1..]).await;
        slow.hear(b"\x00\x5a").await;
        let mut third = TcpStream::connect(proxy).await.unwrap();
        third.say(&request).await;
        third.hear(b"\x00\x5a").await;
    })
    .await;
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_they_drain() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = target.local_addr().unwrap().port().to_be_bytes();
        let request = |user: &[u8]| [b"\x04\x01", &port[..], b"\x7f\0\0\x01", user, b"\0"].concat();
        let stack = Socks4Layer::new().layer(AuthLayer::new(claims()).layer(Connector::direct()));
        let sessions = SessionLimit::new(10).per_user(1);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = serve(listener, stack)
            .sessions(sessions.clone())
            .with_graceful_shutdown(async move {
                let _ = stopped.await;
            })
            .drain_limit(Duration::from_secs(10));
        let running = tokio::spawn(server.into_future());

        let mut joe = TcpStream::connect(proxy).await.unwrap();
        joe.say(&request(b"joe")).await;
        joe.hear(b"\x00\x5a").await;
        let mut again = TcpStream::connect(proxy).await.unwrap();
        again.say(&request(b"joe")).await;
        again.hear(REJECTED).await;
        again.hear_end().await;
        drop(again);
        let mut ann = TcpStream::connect(proxy).await.unwrap();
        ann.say(&request(b"ann")).await;
        ann.hear(b"\x00\x5a").await;
        until(|| (sessions.live() == 2).then_some(())).await;

        // The server waits for both.
        stop.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!running.is_finished());
        drop((joe, ann));
        drop(target);
        running.await.unwrap().unwrap();
        assert_eq!(sessions.live(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_password_of_another_door_is_none_here() {
    within(async {
        let nobody = tower::service_fn(async |_: tower_socks::Credentials| {
            Err::<Identity, _>(AuthError::Verifier("asked".into()))
        });
        let (dialer, _) = targets();
        let layer = AuthLayer::new(UserPass::new(nobody));
        let mut client = Client::new(Socks4Layer::new().layer(layer.layer(dialer)));
        client.io.say(CONNECT).await;
        client.io.hear(REJECTED).await;
        client.io.hear_end().await;
        // The verifier was not asked: its failure would be ours.
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Client);
    })
    .await;
}
