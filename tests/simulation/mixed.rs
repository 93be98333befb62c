//! One port for several protocols: the wait for the first octet, and what is not served.

use tower_socks::error::Step;

use super::{
    connect::Scenario,
    scenarios::{self, HELLO, fails, play},
    stack::{DEADLINE, Front},
};

const PAGE: &[u8] = b"HTTP/1.1 501 Not Implemented\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 189\r\n\
    Cache-Control: no-store\r\n\
    Connection: close\r\n\r\n\
    This is the port of a proxy server for SOCKS5. HTTP is not served here.\n\
    Enter it as the SOCKS host of a browser or system, not as an HTTP proxy; or use\n\
    curl --proxy socks5h://HOST:PORT URL\n";

/// A client that is turned away, with what it hears.
fn turned_away(says: &[u8], hears: &[u8]) -> Scenario {
    Scenario {
        front: Front::OnePort,
        ..fails([(0, says)], Step::Greeting, &[hears])
    }
}

#[tokio::test(start_paused = true)]
async fn socks5() {
    let scenario = Scenario {
        front: Front::OnePort,
        ..scenarios::plain()
    };
    play("one port, CONNECT", scenario, 280).await;
}

#[tokio::test(start_paused = true)]
async fn http_and_socks4_are_told() {
    // Not HEAD: half of that is no HEAD, and has a body.
    let get = b"GET / HTTP/1.1\r\n\r\n";
    play("one port, GET", turned_away(get, PAGE), 100).await;
    let socks4 = b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\0";
    let rejected = b"\x00\x5b\0\0\0\0\0\0";
    play("one port, SOCKS4", turned_away(socks4, rejected), 40).await;
}

#[tokio::test(start_paused = true)]
async fn all_else_is_closed() {
    play("one port, TLS", turned_away(b"\x16\x03\x01", b""), 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_too_little() {
    for says in [&b""[..], &HELLO[..1]] {
        let scenario = Scenario {
            takes: DEADLINE,
            ..turned_away(says, b"")
        };
        play("one port, too little", scenario, 4).await;
    }
}
