//! H4 and H8: what a client is told.

use std::{io, time::Duration};

use tokio::io::AsyncWriteExt;
use tower::Layer;
use tower_socks::{
    AuthLayer, BoxError, NoAuth, Refusal, error::Step, layer::http::HttpLayer, proto::ReplyCode,
};

use super::{CONNECT, page, stack};
use crate::support::{
    Client, Script,
    targets::{endless, failing, targets},
    within, within_an_hour,
};

const GET: &[u8] = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";

type MakeError = fn() -> BoxError;

const ERRORS: &[(MakeError, &str, &str)] = &[
    (
        || Refusal::not_allowed("hush-hush").into(),
        "403 Forbidden",
        "http_request_denied",
    ),
    (
        || {
            Refusal::not_allowed("hush-hush")
                .with_rule("limit tunnels")
                .into()
        },
        "429 Too Many Requests",
        "http_request_denied",
    ),
    (
        || {
            Refusal::new(ReplyCode::GENERAL_FAILURE, "hush-hush")
                .with_rule("limit quota")
                .into()
        },
        "429 Too Many Requests",
        "http_request_denied",
    ),
    (
        || io::Error::from(io::ErrorKind::ConnectionRefused).into(),
        "502 Bad Gateway",
        "connection_refused",
    ),
    (
        || io::Error::from(io::ErrorKind::HostUnreachable).into(),
        "502 Bad Gateway",
        "destination_ip_unroutable",
    ),
    (
        || io::Error::from(io::ErrorKind::NetworkUnreachable).into(),
        "502 Bad Gateway",
        "destination_ip_unroutable",
    ),
    (
        || io::Error::from(io::ErrorKind::TimedOut).into(),
        "504 Gateway Timeout",
        "connection_timeout",
    ),
    (
        || "hush-hush".into(),
        "500 Internal Server Error",
        "proxy_internal_error",
    ),
    (
        || Refusal::new(ReplyCode::COMMAND_NOT_SUPPORTED, "hush-hush").into(),
        "501 Not Implemented",
        "proxy_configuration_error",
    ),
];

#[tokio::test(start_paused = true)]
async fn h4_errors_have_their_statuses() {
    for (error, status, reason) in ERRORS {
        for request in [CONNECT, GET] {
            within(async {
                let mut client = Client::new(stack(NoAuth, failing(error)));
                client.io.say(request).await;
                let (line, why, text) = page(&mut client.io).await;
                assert_eq!(line, format!("HTTP/1.1 {status}"));
                assert_eq!(why, format!("tower-socks; error={reason}"));
                assert!(text.ends_with(".\n"), "{text}");
                assert!(!text.contains("hush"), "{text}");
                assert!(
                    !text.contains("a.test") && !text.contains("192.0.2.1"),
                    "{text}"
                );
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_nowhere_is_502_with_its_reason() {
    within(async {
        let connector = tower_socks::Connector::direct();
        let mut client = Client::new(stack(NoAuth, connector));
        client
            .io
            .say(b"CONNECT name.invalid:80 HTTP/1.1\r\n\r\n")
            .await;
        let (line, why, _) = page(&mut client.io).await;
        assert_eq!(line, "HTTP/1.1 502 Bad Gateway");
        assert_eq!(why, "tower-socks; error=dns_error");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_mapping_of_reply_codes_decides_statuses() {
    within(async {
        let dialer = failing(|| Refusal::not_allowed("hush-hush").with_rule("limit tunnels"));
        let layer = HttpLayer::new().reply_code(|_| ReplyCode::GENERAL_FAILURE);
        let mut client = Client::new(layer.layer(AuthLayer::new(NoAuth).layer(dialer)));
        client.io.say(CONNECT).await;
        let (line, why, _) = page(&mut client.io).await;
        assert_eq!(line, "HTTP/1.1 502 Bad Gateway");
        assert_eq!(why, "tower-socks; error=destination_unavailable");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_get_keeps_the_connection() {
    within(async {
        let dialer = failing(|| Refusal::not_allowed("no"));
        let mut client = Client::new(stack(NoAuth, dialer));
        for _ in 0..3 {
            client.io.say(GET).await;
            let (line, ..) = page(&mut client.io).await;
            assert_eq!(line, "HTTP/1.1 403 Forbidden");
        }
        client.io.shutdown().await.unwrap();
        client.io.hear_end().await;
        assert!(client.outcome().await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h8_a_request_for_a_page_gets_one_that_says_what_this_is() {
    for request in [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n\r\n",
        "GET /favicon.ico HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1:1080\r\nOrigin: http://evil.test\r\n\
         Access-Control-Request-Method: PUT\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:1080\r\nOrigin: http://evil.test\r\nContent-Length: 9\r\n\r\n\
         \x05\x01\x00\x05\x01\x00\x01\x7f\x00",
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(request.as_bytes()).await;
            let head = super::head(&mut client.io).await;
            assert!(
                head.starts_with("HTTP/1.1 400 ") || head.starts_with("HTTP/1.0 400 "),
                "{head}"
            );
            for field in ["access-control", "date", "server", "evil"] {
                assert!(!head.to_lowercase().contains(field), "{head}");
            }
            let text = String::from_utf8(client.io.hear_rest().await).unwrap();
            assert!(
                text.starts_with("This is a proxy, and not a web server"),
                "{text}"
            );
            assert!(dialled.try_recv().is_err());
            assert_eq!(client.outcome().await.unwrap_err().step(), Step::Request);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds_and_an_idle_connection_a_minute() {
    within_an_hour(async {
        let began = tokio::time::Instant::now();
        let (dialer, _) = targets();
        // Nothing at all: there is nobody to tell.
        let mut client = Client::new(stack(NoAuth, dialer.clone()));
        client.io.hear_end().await;
        assert_eq!(began.elapsed().as_secs(), 10);
        assert_eq!(client.outcome().await.unwrap_err().step(), Step::Request);

        // An octet each second.
        let began = tokio::time::Instant::now();
        let mut client = Client::new(stack(NoAuth, dialer));
        for octet in &GET[..9] {
            client.io.say(&[*octet]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (line, ..) = page(&mut client.io).await;
        assert_eq!(line, "HTTP/1.1 408 Request Timeout");
        assert_eq!(began.elapsed().as_secs(), 10);
        client.io.hear_end().await;

        // Between two requests.
        let dialer = failing(|| Refusal::not_allowed("no"));
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(GET).await;
        page(&mut client.io).await;
        let began = tokio::time::Instant::now();
        client.io.hear_end().await;
        assert_eq!(began.elapsed().as_secs(), 60);

        // A second head that stops.
        let dialer = failing(|| Refusal::not_allowed("no"));
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(GET).await;
        page(&mut client.io).await;
        let began = tokio::time::Instant::now();
        client.io.say(&GET[..9]).await;
        let (line, ..) = page(&mut client.io).await;
        assert_eq!(line, "HTTP/1.1 408 Request Timeout");
        assert_eq!(began.elapsed().as_secs(), 70);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_response_is_left() {
    within(async {
        let dialer = failing(|| Refusal::not_allowed("no"));
        let mut client = Client::with_capacity(stack(NoAuth, dialer), 64);
        client.io.say(GET).await;
        let outcome = client.outcome().await;
        assert_eq!(outcome.unwrap_err().step(), Step::Reply);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_over_waits_for_its_response() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(GET).await;
        client.io.shutdown().await.unwrap();
        let (_, mut origin) = dialled.recv().await.unwrap();
        super::head(&mut origin).await;
        origin
            .say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            .await;
        drop(origin);
        super::head(&mut client.io).await;
        client.io.hear(b"hi").await;
        client.io.hear_end().await;
        assert!(client.outcome().await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_resets_cancels_its_request() {
    within(async {
        let (dialer, mut events) = endless();
        let proxy = crate::support::proxy(stack(NoAuth, dialer)).await;
        let mut client = tokio::net::TcpStream::connect(proxy).await.unwrap();
        client.say(GET).await;
        assert_eq!(events.recv().await, Some("begun"));
        client.set_zero_linger().unwrap();
        drop(client);
        assert_eq!(events.recv().await, Some("dropped"));
    })
    .await;
}

/// Nobody reads its body while the origin is dialled, however much of it has come.
#[tokio::test]
async fn so_does_one_that_resets_within_a_body() {
    for head in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        for len in [0, 1, 500, 5_000, 300_000] {
            let (dialer, mut events) = endless();
            let proxy = crate::support::proxy(stack(NoAuth, dialer)).await;
            let mut client = tokio::net::TcpStream::connect(proxy).await.unwrap();
            let request = format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{head}\r\n\r\n");
            client.say(request.as_bytes()).await;
            assert_eq!(events.recv().await, Some("begun"));
            // The first of a chunk, if it is one.
            client.say(&vec![b'0'; len]).await;
            client.set_zero_linger().unwrap();
            drop(client);
            let ended = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
            let ended = ended.unwrap_or_else(|_| panic!("{head}, {len}: it goes on for nobody"));
            assert_eq!(ended, Some("dropped"));
        }
    }
}
