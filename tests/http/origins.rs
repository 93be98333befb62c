//! Origins that mean harm, or break.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    time::sleep,
};
use tower_socks::{Connector, NoAuth};

use super::{head, page, stack};
use crate::support::{Client, Script, targets::targets, within};

const REQUEST: &[u8] = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// None of them reaches the client.
const REFUSED: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "SSH-2.0-OpenSSH\r\n",
    "hello",
    "",
];

#[tokio::test(start_paused = true)]
async fn what_could_be_read_in_two_manners_is_502() {
    for said in REFUSED {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(REQUEST).await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            head(&mut origin).await;
            origin.say(said.as_bytes()).await;
            drop(origin);
            let (line, status, _) = page(&mut client.io).await;
            assert_eq!(line, "HTTP/1.1 502 Bad Gateway", "{said:?}");
            assert_eq!(status, "tower-socks; error=http_protocol_error", "{said:?}");
            client.io.hear_end().await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_without_end_is_502() {
    for endless in [
        "X: 1\r\n".repeat(30_000),
        "x".repeat(200_000),
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5000),
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(REQUEST).await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            head(&mut origin).await;
            let said = match endless.starts_with("HTTP") {
                true => endless,
                false => format!("HTTP/1.1 200 OK\r\nX: {endless}"),
            };
            let flood = tokio::spawn(async move {
                let _ = origin.write_all(said.as_bytes()).await;
                std::future::pending::<()>().await;
            });
            let mut answered = head(&mut client.io).await;
            // Some hints may have come through before it was too much.
            while answered.starts_with("HTTP/1.1 103") {
                answered = head(&mut client.io).await;
            }
            assert!(
                answered.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
                "{answered}"
            );
            flood.abort();
        })
        .await;
    }
}

/// The client's end of a real connection says whether what it has is all.
#[tokio::test]
async fn half_of_a_response_does_not_look_like_all_of_it() {
    for (request, said) in [
        (REQUEST, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        (
            REQUEST,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ),
        (
            REQUEST,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nz\r\n",
        ),
        // Here nothing but the reset tells.
        (
            b"GET http://a.test/ HTTP/1.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ),
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let proxy = crate::support::proxy(stack(NoAuth, dialer)).await;
            let mut client = tokio::net::TcpStream::connect(proxy).await.unwrap();
            client.say(request).await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            head(&mut origin).await;
            origin.say(said.as_bytes()).await;
            let answered = head(&mut client).await;
            assert!(answered.contains(" 200 OK\r\n"), "{answered}");
            drop(origin);
            let mut rest = Vec::new();
            let end = tokio::io::AsyncReadExt::read_to_end(&mut client, &mut rest).await;
            assert_eq!(
                end.unwrap_err().kind(),
                std::io::ErrorKind::ConnectionReset,
                "{said:?}"
            );
            assert!(!rest.ends_with(b"0\r\n\r\n"));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn octets_behind_a_response_are_nobodys() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(REQUEST).await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        origin
            .say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            .await;
        head(&mut client.io).await;
        client.io.hear(b"hi").await;
        // The next request has the response of its own origin.
        client.io.say(b"GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n").await;
        let (request, mut origin) = dialled.recv().await.unwrap();
        assert_eq!(request.target.to_string(), "b.test:80");
        head(&mut origin).await;
        origin.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
        head(&mut client.io).await;
        client.io.hear(b"good").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_may_come_before_the_body_is_read() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client
            .io
            .say(b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nsome")
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        origin.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n").await;
        let answered = head(&mut client.io).await;
        assert!(answered.starts_with("HTTP/1.1 413 "), "{answered}");
        client.io.hear(b"no\n").await;
        client.io.hear_end().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn large_bodies_are_not_kept() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::with_capacity(stack(NoAuth, dialer), 4096);
        client.io.say(REQUEST).await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        origin
            .say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            .await;
        // Nobody reads: the origin is held back after what buffers take.
        let mut sent = 0;
        let chunk = vec![0; 64 * 1024];
        while let Ok(written) =
            tokio::time::timeout(std::time::Duration::from_secs(1), origin.write(&chunk)).await
        {
            sent += written.unwrap();
            assert!(sent < 1_000_000, "{sent} octets are kept");
        }
        assert!(sent > 0);
    })
    .await;
}

/// As through a tunnel: a slow client gets what the origin had sent before it was reset, and then the reset.
#[tokio::test]
async fn what_came_before_the_reset_of_an_origin_is_delivered_first() {
    const LEN: usize = 300_000;
    for (version, head_of) in [
        ("1.1", "HTTP/1.1 200 OK\r\n\r\n"),
        ("1.0", "HTTP/1.1 200 OK\r\n\r\n"),
        ("1.1", "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n"),
    ] {
        within(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let host = listener.local_addr().unwrap();
            let proxy = crate::support::proxy(stack(NoAuth, Connector::direct())).await;
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(16 * 1024).unwrap();
            let mut client = socket.connect(proxy).await.unwrap();
            let request = format!("GET http://{host}/ HTTP/{version}\r\nHost: {host}\r\n\r\n");
            client.say(request.as_bytes()).await;
            let (mut origin, _) = listener.accept().await.unwrap();
            head(&mut origin).await;
            origin.say(head_of.as_bytes()).await;
            origin.say(&vec![b'z'; LEN]).await;
            // All of it has reached the proxy.
            sleep(Duration::from_millis(200)).await;
            origin.set_zero_linger().unwrap();
            drop(origin);
            sleep(Duration::from_millis(200)).await;
            let (mut heard, mut room) = (0, vec![0; 8 * 1024]);
            let end = loop {
                match client.read(&mut room).await {
                    Ok(0) => panic!("{version}, {head_of:?}: it looks complete"),
                    Ok(read) => {
                        heard += room[..read].iter().filter(|octet| **octet == b'z').count()
                    }
                    Err(error) => break error.kind(),
                }
                sleep(Duration::from_millis(1)).await;
            };
            assert_eq!(end, std::io::ErrorKind::ConnectionReset);
            assert_eq!(heard, LEN, "{version}, {head_of:?}");
        })
        .await;
    }
}
