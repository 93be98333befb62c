//! Clients that leave in the middle of a request, and origins that are silent, or without end: what is held for
//! them, and for how long.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tower::ServiceExt;
use tower_socks::{Connector, NoAuth, session::Accepted};

use super::{head, page, stack};
use crate::support::{
    Client, Script, proxy, settle,
    targets::{slow_targets, targets},
    within, within_an_hour,
};

const GET: &[u8] = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &[u8] =
    b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody";
const CHUNKED: &[u8] =
    b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
const UPGRADE: &[u8] =
    b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

/// What an origin says before it falls silent.
const SAID: &[&[u8]] = &[
    b"",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nsome",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
];

/// As long as a half-closed tunnel of SOCKS: `Relay::half_close_timeout`.
const HALF_CLOSED: Duration = Duration::from_secs(4 * 60);

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_holds_a_silent_origin_as_long_as_a_half_closed_tunnel() {
    for request in [GET, POST, CHUNKED, UPGRADE] {
        for said in SAID {
            within_an_hour(async {
                let (dialer, mut dialled) = targets();
                let mut client = Client::new(stack(NoAuth, dialer));
                client.io.say(request).await;
                let (_, mut origin) = dialled.recv().await.unwrap();
                head(&mut origin).await;
                origin.say(said).await;
                settle().await;
                client.io.shutdown().await.unwrap();
                let since = Instant::now();
                // The origin hears of it, and may still answer.
                let mut body = Vec::new();
                tokio::io::AsyncReadExt::read_to_end(&mut origin, &mut body)
                    .await
                    .unwrap();
                assert!(since.elapsed() < Duration::from_secs(1), "{said:?}");
                let _ = client.outcome().await;
                let held = since.elapsed();
                assert!(held >= HALF_CLOSED, "{said:?}: {held:?}");
                let most = HALF_CLOSED + Duration::from_secs(20);
                assert!(held < most, "{said:?}: {held:?}");
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_ended_gets_its_response() {
    for request in [GET, POST, CHUNKED] {
        for before in [true, false] {
            within_an_hour(async {
                let (dialer, gate, mut dialled) = slow_targets();
                let mut client = Client::new(stack(NoAuth, dialer));
                client.io.say(request).await;
                if before {
                    client.io.shutdown().await.unwrap();
                    settle().await;
                }
                gate.add_permits(1);
                let (_, mut origin) = dialled.recv().await.unwrap();
                head(&mut origin).await;
                if !before {
                    client.io.shutdown().await.unwrap();
                }
                // Nothing of the request is lost.
                let mut body = Vec::new();
                tokio::io::AsyncReadExt::read_to_end(&mut origin, &mut body)
                    .await
                    .unwrap();
                let sent: &[u8] = match request {
                    GET => b"",
                    POST => b"body",
                    _ => b"4\r\nbody\r\n0\r\n\r\n",
                };
                assert_eq!(body, sent);
                tokio::time::sleep(Duration::from_secs(200)).await;
                origin
                    .say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
                    .await;
                tokio::time::sleep(Duration::from_secs(200)).await;
                origin.say(b"late").await;
                drop(origin);
                let answered = head(&mut client.io).await;
                assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
                client.io.hear(b"late").await;
                client.io.hear_end().await;
                let traffic = client.outcome().await.unwrap();
                assert!(traffic.down > 40, "{traffic:?}");
            })
            .await;
        }
    }
}

/// What is sent behind a request for another protocol reaches the origin, and then the end.
#[tokio::test(start_paused = true)]
async fn a_client_that_ends_behind_an_upgrade_loses_nothing() {
    within_an_hour(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[UPGRADE, b"early"].concat()).await;
        client.io.shutdown().await.unwrap();
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        settle().await;
        origin
            .say(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            .await;
        origin.hear(b"early").await;
        origin.hear_end().await;
        origin.say(b"answer").await;
        drop(origin);
        head(&mut client.io).await;
        client.io.hear(b"answer").await;
        client.io.hear_end().await;
    })
    .await;
}

/// Over real sockets: the origin takes nothing more of the upload, or is silent, and the client resets.
#[tokio::test]
async fn a_client_that_resets_ends_the_exchange() {
    let upload =
        b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n";
    let expects = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    for (request, uploads) in [
        (GET, false),
        (POST, false),
        (UPGRADE, false),
        (&expects[..], false),
        (&upload[..], true),
    ] {
        // Some of these take a second each.
        let most = if request.len() > 80 { 3 } else { SAID.len() };
        for said in SAID.iter().take(most).step_by(2) {
            within(async {
                let (dialer, mut dialled) = targets();
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let proxy = listener.local_addr().unwrap();
                let mut client = TcpStream::connect(proxy).await.unwrap();
                let (accepted, peer) = listener.accept().await.unwrap();
                let accepted = Accepted::new(accepted, peer, proxy);
                let session = tokio::spawn(stack(NoAuth, dialer).oneshot(accepted));
                client.say(request).await;
                let (_, mut origin) = dialled.recv().await.unwrap();
                head(&mut origin).await;
                origin.say(said).await;
                if uploads {
                    // Until nothing more goes.
                    let chunk = vec![0; 256 * 1024];
                    let limit = Duration::from_millis(200);
                    while let Ok(written) = timeout(limit, client.write(&chunk)).await {
                        written.unwrap();
                    }
                } else if !said.is_empty() {
                    head(&mut client).await;
                }
                client.set_zero_linger().unwrap();
                drop(client);
                // The origin neither reads nor writes: nothing of it tells the proxy.
                let outcome = timeout(Duration::from_secs(3), session).await;
                assert!(outcome.is_ok(), "{said:?}: it is still there");
                drop(origin);
            })
            .await;
        }
    }
}

/// The end of a response that says no length is that of the origin, and of nothing else.
#[tokio::test]
async fn a_tunnel_that_breaks_off_does_not_end_a_response_without_a_length() {
    within(async {
        let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = origin.local_addr().unwrap();
        let proxy = proxy(stack(NoAuth, Connector::direct())).await;
        let mut client = TcpStream::connect(proxy).await.unwrap();
        let get = format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n");
        client.say(get.as_bytes()).await;
        let (mut origin, _) = origin.accept().await.unwrap();
        head(&mut origin).await;
        origin.say(b"HTTP/1.1 200 OK\r\n\r\nhalf").await;
        head(&mut client).await;
        client.hear(b"4\r\nhalf\r\n").await;
        origin.set_zero_linger().unwrap();
        drop(origin);
        let mut rest = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut client, &mut rest).await;
        let reset = std::io::ErrorKind::ConnectionReset;
        assert_eq!(end.unwrap_err().kind(), reset, "{rest:?}");
    })
    .await;
}

/// The origin answers without having read the body, and the client reads slowly.
#[tokio::test(start_paused = true)]
async fn a_response_before_the_end_of_the_body_reaches_a_slow_reader() {
    for length in [1, 1000, 20_000, 60_000] {
        for capacity in [64, 1000, 4096] {
            within(async {
                let (dialer, mut dialled) = targets();
                let mut client = Client::with_capacity(stack(NoAuth, dialer), capacity);
                let post = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nsome";
                client.io.say(post).await;
                let (_, mut origin) = dialled.recv().await.unwrap();
                head(&mut origin).await;
                let body = vec![b'x'; length];
                let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                origin.say(&[said.as_bytes(), &body].concat()).await;
                drop(origin);
                tokio::time::sleep(Duration::from_secs(5)).await;
                let answered = head(&mut client.io).await;
                assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
                for piece in body.chunks(500) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    client.io.hear(piece).await;
                }
                client.io.hear_end().await;
            })
            .await;
        }
    }
}

/// Nothing more of the body is wanted once there is a page instead of a response.
#[tokio::test(start_paused = true)]
async fn a_page_before_the_end_of_the_body_reaches_a_slow_reader() {
    for method in ["POST", "TRACE"] {
        for capacity in [16, 40, 64] {
            within(async {
                let (dialer, mut dialled) = targets();
                let mut client = Client::with_capacity(stack(NoAuth, dialer), capacity);
                let request = format!(
                    "{method} http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nsome"
                );
                client.io.say(request.as_bytes()).await;
                if method == "POST" {
                    let (_, mut origin) = dialled.recv().await.unwrap();
                    head(&mut origin).await;
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
                let (line, ..) = page(&mut client.io).await;
                let status = if method == "POST" { "502" } else { "501" };
                assert_eq!(line.split(' ').nth(1), Some(status), "{line}");
                client.io.hear_end().await;
            })
            .await;
        }
    }
}

/// An origin that keeps its end open behind a complete response does not hold up who has another request.
#[tokio::test(start_paused = true)]
async fn an_origin_that_stays_does_not_hold_up_the_next_request() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        let mut stay = Vec::new();
        let since = Instant::now();
        for _ in 0..10 {
            client.io.say(GET).await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            head(&mut origin).await;
            origin
                .say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .await;
            stay.push(origin);
            head(&mut client.io).await;
            client.io.hear(b"hi").await;
        }
        assert!(since.elapsed() < Duration::from_secs(1));
        // Where nobody waits it has half a second to end by itself.
        let mut last = stay.pop().unwrap();
        last.hear_end().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        last.say(b"x").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(last.write(b"x").await.is_err());
    })
    .await;
}
