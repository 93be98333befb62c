//! What the log says of a way through other proxies: which proxy, and no secret.

use tower::ServiceExt;
use tower_socks::{
    Client,
    connector::upstream::{BasicAuth, HttpUpstream, Socks5Upstream},
    proto::{Address, Credentials},
};
use tracing::Level;

use crate::support::{
    failure,
    log::Log,
    texts,
    upstream::{canned, guarded},
};

const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";
const LET_IN: &[u8] = b"\x05\x02\x01\x00";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn socks(proxy: &str) -> Socks5Upstream {
    let credentials = Credentials::new("joe", "wherewithal").unwrap();
    Socks5Upstream::new(address(proxy)).client(Client::new().credentials(credentials))
}

fn http(proxy: &str) -> HttpUpstream {
    HttpUpstream::new(address(proxy)).credentials(BasicAuth::new("joe", "wherewithal").unwrap())
}

fn assert_line(line: &str, parts: &[&str]) {
    assert!(line.trim_start().starts_with("DEBUG"), "{line}");
    for part in parts {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

#[tokio::test]
async fn each_proxy_of_a_chain_has_a_line() {
    let (log, _guard) = Log::start(Level::TRACE);
    let (way, _) = canned([[LET_IN, CONNECTED, OK].concat()]);
    let chain = http("second.example:2").via(socks("first.example:1").via(way));
    chain.oneshot(address("a.example:80")).await.unwrap();
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let parts = [
        "through proxy proxy=first.example:1",
        "target=second.example:2",
    ];
    assert_line(&lines[0], &parts);
    let parts = [
        "through proxy proxy=second.example:2",
        "target=a.example:80",
    ];
    assert_line(&lines[1], &parts);
}

#[tokio::test]
async fn a_proxy_that_did_not_help_has_a_line_with_the_reason() {
    let (log, _guard) = Log::start(Level::TRACE);
    let (way, _) = canned([[LET_IN, &failure(5)].concat()]);
    let upstream = socks("first.example:1").via(way);
    upstream.oneshot(address("a.example:80")).await.unwrap_err();

    let (way, _) = canned([b"HTTP/1.1 407 No\r\n\r\n"]);
    let upstream = http("second.example:2").via(way);
    upstream.oneshot(address("a.example:80")).await.unwrap_err();

    let (way, _) = canned([b""]);
    let upstream = socks("third.example:3").via(way).into_bind();
    let request = guarded("192.0.2.1:0", crate::support::upstream::Diary::default());
    upstream.oneshot(request).await.unwrap_err();

    let mut lines = log.lines();
    // Those that work for nobody have a warning as well.
    lines.retain(|line| !line.trim_start().starts_with("WARN"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    let parts = [
        "upstream proxy failed",
        "proxy=first.example:1",
        "connection refused",
    ];
    assert_line(&lines[0], &parts);
    let parts = [
        "upstream proxy failed",
        "proxy=second.example:2",
        "407",
        "password",
    ];
    assert_line(&lines[1], &parts);
    let parts = [
        "upstream proxy failed",
        "proxy=third.example:3",
        "BIND",
        "192.0.2.1:0",
    ];
    assert_line(&lines[2], &parts);
}

/// Whatever the proxy makes of them.
#[tokio::test]
async fn secrets_are_not_logged_and_not_in_errors() {
    let (log, _guard) = Log::start(Level::TRACE);
    let mut errors = String::new();
    for said in [
        &b"\x05\x02\x01\x01"[..],
        b"\x05\x02\x01",
        b"\x05\x02wherewithal",
        b"\x05\x80",
    ] {
        let (way, _) = canned([said]);
        let upstream = socks("first.example:1").via(way);
        let error = upstream.oneshot(address("a.example:80")).await.unwrap_err();
        errors += &texts(&*error);
    }
    // One that says it back.
    let basic = "am9lOndoZXJld2l0aGFs";
    for said in [
        format!("HTTP/1.1 407 {basic}\r\nProxy-Authorization: Basic {basic}\r\n\r\n"),
        format!("HTTP/1.1 403 joe:wherewithal\r\n\r\n{basic}"),
        format!("HTTP/1.1 {basic}\r\n\r\n"),
        format!("HTTP/1.1 500 No\r\n{basic}\r\n\r\n"),
    ] {
        let (way, logs) = canned([said]);
        let upstream = http("second.example:2").via(way);
        let error = upstream.oneshot(address("a.example:80")).await.unwrap_err();
        errors += &texts(&*error);
        let written = String::from_utf8(logs[0].written().0).unwrap();
        assert!(written.contains(basic), "{written}");
    }
    let lines = log.lines();
    let warns = lines.iter().filter(|line| line.contains("WARN"));
    assert_eq!((lines.len(), warns.count()), (14, 6));
    for text in [errors, lines.concat()] {
        for secret in ["wherewithal", basic, &format!("{:?}", b"wherewithal")] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
