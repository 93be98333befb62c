//! H6: requests that could be read in two manners, and what is no HTTP at all.

use tower_socks::NoAuth;

use super::{head, page, stack};
use crate::support::{Client, Script, settle, targets::targets, within};

/// Each of them is answered with this status, and reaches nobody.
const REFUSED: &[(&str, &str)] = &[
    // Two lengths.
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5, 6\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: -5\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x5\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5 5\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551615\r\n\r\nhello",
        "400",
    ),
    // Codings.
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST http://a.test/ HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    // Lines.
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: 1\r\n 2\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: 1\r\n\t2\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\n Host: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: 1\rY: 2\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: 1\nY: 2\r\n\r\n",
        "400",
    ),
    ("GET http://a.test/ HTTP/1.1\nHost: a.test\n\n", "400"),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: 1\r\n\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/\0 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost : a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length : 5\r\n\r\nhello",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX Y: 1\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nno colon\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n: nameless\r\n\r\n",
        "400",
    ),
    // The request line.
    (
        "GET  http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1 \r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ /b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET\thttp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    ("GET http://a.test/\r\n\r\n", "400"),
    ("GET http://a.test/ HTTP/2.0\r\nHost: a.test\r\n\r\n", "505"),
    ("GET http://a.test/ HTTP/1.2\r\nHost: a.test\r\n\r\n", "505"),
    ("GET http://a.test/ http/1.1\r\nHost: a.test\r\n\r\n", "400"),
    ("PRI * HTTP/2.0\r\n\r\n", "505"),
    // Whose server.
    ("GET http://a.test/ HTTP/1.1\r\n\r\n", "400"),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test/x\r\n\r\n",
        "400",
    ),
    (
        "GET http://joe:secret@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test\\b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test#b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    ("GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    (
        "GET http://a.test:0/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test:65536/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://a.test:+80/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "GET http://2001:db8::1/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    ("GET http:a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    ("GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    (
        "GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "501",
    ),
    ("GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "501"),
    (
        "TRACE http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "501",
    ),
    // CONNECT.
    ("CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    ("CONNECT a.test: HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    ("CONNECT a.test:0 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    (
        "CONNECT a.test:99999 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "CONNECT joe@a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "CONNECT http://a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    ("CONNECT a.test:80/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    (
        "CONNECT 2001:db8::1:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    (
        "CONNECT [fe80::1%25lo]:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
    ("CONNECT [::1 :80 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    ("CONNECT :80 HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    (
        "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
        "400",
    ),
    (
        "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    // Others.
    (
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nExpect: payment\r\nContent-Length: 1\r\n\r\nx",
        "417",
    ),
    (
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic YTpi\r\nProxy-Authorization: Basic YTpi\r\n\r\n",
        "400",
    ),
    (
        "OPTIONS http://a.test/ HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n",
        "400",
    ),
    (
        "OPTIONS http://a.test/ HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: x\r\n\r\n",
        "400",
    ),
    ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03", "400"),
    ("\x05\x01\x00", "400"),
    (
        " GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "400",
    ),
];

#[tokio::test(start_paused = true)]
async fn h6_each_is_refused_and_the_connection_ends() {
    for (said, status) in REFUSED {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(said.as_bytes()).await;
            let (line, why, text) = page(&mut client.io).await;
            assert!(
                line.starts_with(&format!("HTTP/1.1 {status} ")),
                "{said:?}: {line}"
            );
            assert_eq!(why, "tower-socks; error=http_request_error", "{said:?}");
            assert!(!text.contains("a.test"), "{said:?}: nothing is echoed");
            if !said.starts_with("OPTIONS") && !said.starts_with("TRACE") {
                client.io.hear_end().await;
            }
            assert!(dialled.try_recv().is_err(), "{said:?} has reached somebody");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn h6_in_a_second_request_the_first_is_answered_first() {
    for (said, status) in REFUSED {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            let first = "GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n";
            client.io.say(format!("{first}{said}").as_bytes()).await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            head(&mut origin).await;
            origin
                .say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .await;
            drop(origin);
            assert!(
                head(&mut client.io)
                    .await
                    .starts_with("HTTP/1.1 200 OK\r\n")
            );
            client.io.hear(b"hi").await;
            let (line, ..) = page(&mut client.io).await;
            assert!(
                line.starts_with(&format!("HTTP/1.1 {status} ")),
                "{said:?}: {line}"
            );
            assert!(dialled.try_recv().is_err(), "{said:?} has reached somebody");
        })
        .await;
    }
}

/// Bodies that are none, behind a head that is fine.
const BODIES: &[&str] = &[
    "x\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhelloxx0\r\n\r\n",
    "ffffffffffffffff\r\nhello",
    "fffffffffffffffff\r\nhello",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "\r\n0\r\n\r\n",
    "-1\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    ";a=1\r\n\r\n",
    "0\r\n X: 1\r\n\r\n",
    "0\r\nX: 1\n\r\n",
    "0\r\nX: a\0\r\n\r\n",
    "5;\0\r\nhello\r\n0\r\n\r\n",
];

#[tokio::test(start_paused = true)]
async fn h6_chunks_that_are_none_end_in_400_and_nothing_behind_them_is_a_request() {
    for body in BODIES {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            let next = "GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n";
            let said = format!(
                "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}{next}"
            );
            client.io.say(said.as_bytes()).await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            let (line, ..) = page(&mut client.io).await;
            assert_eq!(line, "HTTP/1.1 400 Bad Request", "{body:?}");
            client.io.hear_end().await;
            // Whatever the origin has got, it does not take it for complete.
            let rest = String::from_utf8(origin.hear_rest().await).unwrap();
            assert!(!rest.ends_with("0\r\n\r\n"), "{body:?}: {rest:?}");
            assert!(!rest.contains("b.test"), "{body:?}: {rest:?}");
            settle().await;
            assert!(dialled.try_recv().is_err(), "{body:?}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_too_large() {
    for said in [
        format!("GET http://a.test/{} HTTP/1.1\r\n", "x".repeat(40_000)),
        format!("GET http://a.test/ HTTP/1.1\r\nX: {}", "x".repeat(40_000)),
        format!(
            "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{}\r\n",
            "X: 1\r\n".repeat(101)
        ),
    ] {
        within(async {
            let (dialer, _) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(said.as_bytes()).await;
            let (line, ..) = page(&mut client.io).await;
            assert_eq!(line, "HTTP/1.1 431 Request Header Fields Too Large");
            client.io.hear_end().await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_head_is_taken() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        let begin = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: ";
        let filler = "x".repeat(32 * 1024 - 1 - begin.len() - 4);
        client
            .io
            .say(format!("{begin}{filler}\r\n\r\n").as_bytes())
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        assert!(head(&mut origin).await.contains(&filler));
    })
    .await;
}
