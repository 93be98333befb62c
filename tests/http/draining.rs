//! H4: a server that drains.

use std::{future::IntoFuture, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tower::Layer;
use tower_socks::{NoAuth, Refusal, layer::track::OpenTunnels, serve};

use super::{page, stack};
use crate::support::{
    Client, Script,
    targets::{failing, targets},
    within,
};

const GET: &[u8] = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[tokio::test]
async fn h4_idle_connections_end_and_requests_that_have_begun_get_503() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (drain, drained) = tokio::sync::oneshot::channel::<()>();
        let stack = stack(NoAuth, failing(|| Refusal::not_allowed("no")));
        let server = serve(listener, stack)
            .drain_limit(Duration::from_secs(20))
            .with_graceful_shutdown(async {
                let _ = drained.await;
            });
        let server = tokio::spawn(server.into_future());
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        for client in [&mut idle, &mut busy] {
            client.say(GET).await;
            assert_eq!(page(client).await.0, "HTTP/1.1 403 Forbidden");
        }
        busy.say(&GET[..20]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(drain);
        idle.hear_end().await;
        busy.say(&GET[20..]).await;
        let (line, status, _) = page(&mut busy).await;
        assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(status, "tower-socks; error=proxy_internal_response");
        busy.hear_end().await;
        drop((idle, busy));
        server.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_a_silent_origin_gets_503_too() {
    within(async {
        let tunnels = OpenTunnels::new();
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, tunnels.layer().layer(dialer)));
        client.io.say(GET).await;
        let (_, _silent) = dialled.recv().await.unwrap();
        let drain = async {
            tunnels.close_idle(Duration::from_secs(5)).await;
        };
        let told = async {
            let (line, status, _) = page(&mut client.io).await;
            assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
            assert_eq!(status, "tower-socks; error=proxy_internal_response");
            client.io.hear_end().await;
        };
        tokio::select! {
            () = drain => {}
            () = told => {}
        }
    })
    .await;
}
