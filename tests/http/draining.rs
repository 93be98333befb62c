//! H4: a server that drains.

use std::{future::IntoFuture, io::ErrorKind, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::oneshot::Sender,
};
use tower::Layer;
use tower_socks::{Connector, NoAuth, Refusal, layer::track::OpenTunnels, serve};

use super::{head, page, stack};
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

/// A response without a length ends with the connection: an end would make half of it look like all.
#[tokio::test]
async fn half_of_a_response_ends_in_a_reset_when_its_session_is_dropped() {
    for version in ["1.0", "1.1"] {
        for said in [
            "HTTP/1.0 200 OK\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ] {
            within(async {
                let (mut client, mut origin, stop) = asked(version).await;
                origin.say(said.as_bytes()).await;
                let mut heard = Vec::new();
                while !heard.windows(4).any(|heard| heard == b"half") {
                    assert_ne!(client.read_buf(&mut heard).await.unwrap(), 0);
                }
                stop.send(()).unwrap();
                for side in [&mut client, &mut origin] {
                    let mut rest = Vec::new();
                    let end = side.read_to_end(&mut rest).await;
                    let end = end.map_err(|error| error.kind());
                    let what = format!("{version}, {said:?}");
                    assert_eq!(end, Err(ErrorKind::ConnectionReset), "{what}");
                }
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_whole_response_ends_without_one() {
    for version in ["1.0", "1.1"] {
        within(async {
            let (mut client, mut origin, stop) = asked(version).await;
            origin
                .say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull")
                .await;
            let mut heard = Vec::new();
            while !heard.ends_with(b"full") {
                assert_ne!(client.read_buf(&mut heard).await.unwrap(), 0);
            }
            stop.send(()).unwrap();
            client.hear_end().await;
        })
        .await;
    }
}

/// A client that has asked an origin for something through a server, which drops its sessions once it is told to.
async fn asked(version: &str) -> (TcpStream, TcpStream, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = serve(listener, stack(NoAuth, Connector::direct()))
        .drain_limit(Duration::ZERO)
        .with_graceful_shutdown(async {
            let _ = stopped.await;
        });
    tokio::spawn(server.into_future());
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = origin.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!("GET http://{host}/ HTTP/{version}\r\nHost: {host}\r\n\r\n");
    client.say(request.as_bytes()).await;
    let (mut origin, _) = origin.accept().await.unwrap();
    head(&mut origin).await;
    (client, origin, stop)
}
