//! H2, H5, H7 and H9: requests for a whole URL.

use tokio::io::AsyncWriteExt;
use tower_socks::{NoAuth, proto::Command, session::Protocol};

use super::{head, stack, without_pseudonym};
use crate::support::{
    Client, Script, ended, settle,
    targets::{Dialled, targets},
    within,
};

/// What the origin gets of a request, and what the client gets of a response, with the connection open still.
async fn exchange(request: &str, response: &str) -> (String, String, Client, Dialled) {
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(NoAuth, dialer));
    client.io.say(request.as_bytes()).await;
    let (_, mut origin) = dialled.recv().await.expect("a dial");
    let asked = head(&mut origin).await;
    origin.say(response.as_bytes()).await;
    drop(origin);
    let answered = head(&mut client.io).await;
    (asked, answered, client, dialled)
}

#[tokio::test(start_paused = true)]
async fn h2_absolute_form_becomes_origin_form_with_the_host_of_the_url() {
    for (target, host, path, dialled_at) in [
        ("http://example.com/", "example.com", "/", "example.com:80"),
        ("http://example.com", "example.com", "/", "example.com:80"),
        (
            "http://example.com?q=1",
            "example.com",
            "/?q=1",
            "example.com:80",
        ),
        (
            "http://example.com:/x",
            "example.com",
            "/x",
            "example.com:80",
        ),
        (
            "http://example.com:80/x",
            "example.com",
            "/x",
            "example.com:80",
        ),
        (
            "HTTP://EXAMPLE.com:8080/A?b=%20c",
            "example.com:8080",
            "/A?b=%20c",
            "example.com:8080",
        ),
        (
            "http://[2001:db8::1]/",
            "[2001:db8::1]",
            "/",
            "[2001:db8::1]:80",
        ),
        (
            "http://[2001:db8::1]:81/",
            "[2001:db8::1]:81",
            "/",
            "[2001:db8::1]:81",
        ),
        ("http://0x7f.1//two", "127.0.0.1", "//two", "127.0.0.1:80"),
        ("http://example.com./", "example.com", "/", "example.com:80"),
        (
            "http://example.com/|{}\"",
            "example.com",
            "/|{}\"",
            "example.com:80",
        ),
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: somewhere.else\r\nAccept: */*\r\n\r\n");
            client.io.say(request.as_bytes()).await;
            let (request, mut origin) = dialled.recv().await.expect(target);
            assert_eq!(request.command, Command::CONNECT);
            assert_eq!(request.protocol, Protocol::Http);
            assert_eq!(request.target.to_string(), dialled_at);
            assert_eq!(
                head(&mut origin).await,
                format!(
                    "GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\nvia: 1.1 PROXY\r\n\
                     connection: close\r\n\r\n"
                )
            );
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn h5_fields_of_one_connection_are_not_forwarded() {
    within(async {
        let (asked, answered, ..) = exchange(
            "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\
             Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic am9lOnNlY3JldA==\r\n\
             Proxy-Foo: 1\r\nTE: gzip\r\nUpgrade: websocket\r\nVia: 1.0 another\r\nX-Kept: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Authenticate: Basic realm=x\r\nProxy-Status: x\r\nContent-Length: 0\r\nX-End: 1\r\n\r\n",
        )
        .await;
        assert_eq!(
            asked,
            "GET / HTTP/1.1\r\nhost: example.com\r\nvia: 1.0 another\r\nvia: 1.1 PROXY\r\n\
             x-kept: 1\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(
            answered,
            "HTTP/1.1 200 OK\r\nx-end: 1\r\nvia: 1.1 PROXY\r\ncontent-length: 0\r\n\r\n"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h7_bodies_stream_both_ways_and_the_connection_is_kept() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        // Two in one go: the second is answered behind the first.
        client
            .io
            .say(
                b"POST http://a.test/1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\
                  POST http://b.test/2 HTTP/1.1\r\nHost: b.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3\r\nabc\r\n4;x=1\r\ndefg\r\n0\r\n\r\n",
            )
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        let asked = head(&mut origin).await;
        assert!(asked.starts_with("POST /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n"), "{asked}");
        origin.hear(b"hello").await;
        settle().await;
        assert!(dialled.try_recv().is_err(), "one after the other");
        origin.say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none").await;
        drop(origin);
        let answered = head(&mut client.io).await;
        assert_eq!(answered, "HTTP/1.1 200 OK\r\nvia: 1.1 PROXY\r\ncontent-length: 3\r\n\r\n");
        client.io.hear(b"one").await;

        let (_, mut origin) = dialled.recv().await.unwrap();
        let asked = head(&mut origin).await;
        assert!(asked.contains("transfer-encoding: chunked\r\n"), "{asked}");
        assert!(!asked.contains("content-length"), "{asked}");
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") {
            body.push(tokio::io::AsyncReadExt::read_u8(&mut origin).await.unwrap());
        }
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("abc") && body.contains("defg") && !body.contains('x'), "{body}");
        // Without a length: its end is the end of the connection, and the client gets chunks.
        origin.say(b"HTTP/1.0 200 OK\r\n\r\ntwo").await;
        drop(origin);
        let answered = head(&mut client.io).await;
        assert_eq!(
            answered,
            "HTTP/1.1 200 OK\r\nvia: 1.0 PROXY\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        client.io.hear(b"3\r\ntwo\r\n0\r\n\r\n").await;
        client.io.shutdown().await.unwrap();
        client.io.hear_end().await;
        let (up, down) = ended(client.outcome().await);
        assert!(up > 100 && down > 50, "{up} {down}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h7_head_204_and_304_have_no_body() {
    for (method, response, expected) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nvia: 1.1 PROXY\r\n\r\n",
        ),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nvia: 1.1 PROXY\r\n\r\n",
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nvia: 1.1 PROXY\r\n\r\n",
        ),
    ] {
        within(async {
            let request = format!("{method} http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
            let (_, answered, mut client, mut dialled) = exchange(&request, response).await;
            assert_eq!(answered, expected);
            // The next one has its own response right behind it.
            client
                .io
                .say(b"GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n")
                .await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            head(&mut origin).await;
            origin
                .say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await;
            assert!(
                head(&mut client.io)
                    .await
                    .starts_with("HTTP/1.1 200 OK\r\n")
            );
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn h7_expect_100_continue_is_the_origins_to_answer() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        let request = b"PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
        client.io.say(request).await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        assert!(head(&mut origin).await.contains("expect: 100-continue\r\n"));
        origin.say(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
        client.io.hear(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await;
        client.io.hear(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        client.io.say(b"body").await;
        origin.hear(b"body").await;
        origin.say(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
        assert!(head(&mut client.io).await.starts_with("HTTP/1.1 201 Created\r\n"));

        // Refused without the body: nobody has to send it.
        client.io.say(request).await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        origin.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        let answered = head(&mut client.io).await;
        assert!(answered.contains("connection: close\r\n"), "{answered}");
        client.io.hear(b"no").await;
        client.io.hear_end().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h7_an_origin_that_never_says_continue_gets_the_body_after_a_second() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client
            .io
            .say(b"PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        let began = tokio::time::Instant::now();
        client.io.hear(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(began.elapsed().as_secs(), 1);
        client.io.say(b"body").await;
        origin.hear(b"body").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h7_trailers_come_through_for_a_client_that_takes_them() {
    within(async {
        let (asked, answered, mut client, _) = exchange(
            "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .await;
        assert!(asked.contains("te: trailers\r\n"), "{asked}");
        assert!(asked.contains("connection: close, te\r\n"), "{asked}");
        assert!(answered.contains("trailer: X-Sum\r\n"), "{answered}");
        client.io.hear(b"2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h7_clients_of_http_1_0_get_what_they_understand() {
    within(async {
        let (asked, answered, mut client, _) = exchange(
            "GET http://a.test/ HTTP/1.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        )
        .await;
        assert!(asked.contains("via: 1.0 PROXY\r\n"), "{asked}");
        assert!(answered.starts_with("HTTP/1.0 200 OK\r\n"), "{answered}");
        assert!(!answered.contains("chunked"), "{answered}");
        client.io.hear(b"hi").await;
        client.io.hear_end().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h7_upgrade_is_executed_once_both_sides_agree() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client
            .io
            .say(
                b"GET http://a.test/chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
                  Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nearly",
            )
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        let asked = head(&mut origin).await;
        assert!(asked.contains("connection: upgrade\r\nupgrade: websocket\r\n"), "{asked}");
        assert!(asked.contains("sec-websocket-key: x\r\n"), "{asked}");
        origin
            .say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst")
            .await;
        let answered = head(&mut client.io).await;
        assert!(answered.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answered}");
        assert!(answered.contains("upgrade: websocket\r\n"), "{answered}");
        assert!(answered.contains("connection: upgrade\r\n"), "{answered}");
        assert!(!answered.contains("content-length"), "{answered}");
        client.io.hear(b"first").await;
        origin.hear(b"early").await;
        client.io.say(b"to the origin").await;
        origin.hear(b"to the origin").await;
        origin.say(b"to the client").await;
        client.io.hear(b"to the client").await;
        client.io.shutdown().await.unwrap();
        origin.hear_end().await;
        drop(origin);
        client.io.hear_end().await;
        let (up, down) = ended(client.outcome().await);
        assert!(up > 18 && down > 18, "{up} {down}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h5_a_loop_is_refused() {
    within(async {
        let (dialer, mut dialled) = targets();
        let service = stack(NoAuth, dialer);
        let mut client = Client::new(service.clone());
        client
            .io
            .say(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            heard.push(tokio::io::AsyncReadExt::read_u8(&mut origin).await.unwrap());
        }
        // As it would come back in a circle.
        let heard = String::from_utf8(heard).unwrap();
        let again = heard.replace("GET / ", "GET http://a.test/ ");
        let mut client = Client::new(service);
        client.io.say(again.as_bytes()).await;
        let (line, status, _) = super::page(&mut client.io).await;
        assert_eq!(line, "HTTP/1.1 502 Bad Gateway");
        assert_eq!(status, "tower-socks; error=proxy_loop_detected");
        assert!(dialled.try_recv().is_err());
        assert_ne!(without_pseudonym(heard.as_bytes()), heard);
    })
    .await;
}
