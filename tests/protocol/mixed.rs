//! M1, M2, M8: one port for several protocols, and what becomes of those that are not served.

use std::{error::Error, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};
use tower::Layer;
#[cfg(feature = "http-server")]
use tower_socks::layer::http::HttpLayer;
use tower_socks::{
    AuthLayer, HandshakeLayer, NoAuth, SessionError,
    error::{ForeignProtocol, Step},
    layer::{
        auth::Auth,
        mixed::{Mixed, MixedLayer},
        socks4::Socks4Layer,
    },
    session::Protocol,
};
use tracing::Level;

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, failure,
    log::Log,
    targets::{Dialer, targets},
    within,
};

const SECOND: Duration = Duration::from_secs(1);

/// A port with the protocols of this layer, no authentication, and targets that are there while it is.
fn port(layer: &MixedLayer) -> Mixed<Auth<NoAuth, Dialer>> {
    let (dialer, mut dialled) = targets();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Some(target) = dialled.recv().await {
            open.push(target);
        }
    });
    layer.layer(AuthLayer::new(NoAuth).layer(dialer))
}

fn socks5_alone() -> MixedLayer {
    MixedLayer::new().socks5(HandshakeLayer::new())
}

fn socks() -> MixedLayer {
    socks5_alone().socks4(Socks4Layer::new())
}

fn foreign(error: &SessionError) -> Option<ForeignProtocol> {
    error.source()?.downcast_ref().copied()
}

/// All that comes until the end.
async fn rest(read: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    read.read_to_end(&mut rest).await.unwrap();
    rest
}

/// What a client hears until the end, and as what it was turned away.
async fn turned_away(layer: &MixedLayer, said: &[u8]) -> (String, ForeignProtocol) {
    let mut client = Client::new(port(layer));
    client.io.say(said).await;
    let heard = client.io.hear_rest().await;
    let error = client.lingering_close().await.unwrap_err();
    assert_eq!(error.step(), Step::Greeting);
    let protocol = foreign(&error).expect("the error says what it looked like");
    (
        String::from_utf8(heard).unwrap_or_else(|it| it.into_bytes().escape_ascii().to_string()),
        protocol,
    )
}

#[tokio::test(start_paused = true)]
async fn m1_socks5_is_served_as_without_the_layer() {
    within(async {
        let client = Client::new(port(&socks5_alone())).connected().await;
        client.lingering_close().await.unwrap();

        let mut client = Client::new(port(&socks5_alone()));
        client.io.say_bytewise(HELLO).await;
        client.io.hear(HELLO_OK).await;
        client.io.say_bytewise(CONNECT).await;
        client.io.hear(CONNECTED).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m1_a_dialogue_that_comes_at_once_is_read_from_the_same_stream() {
    within(async {
        let mut client = Client::new(port(&socks5_alone()));
        client.io.say(&[HELLO, CONNECT, b"early"].concat()).await;
        client.io.hear(HELLO_OK).await;
        client.io.hear(CONNECTED).await;

        let mut client = Client::new(port(&socks5_alone()));
        client
            .io
            .say(&[HELLO, b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x00"].concat())
            .await;
        client.io.hear(HELLO_OK).await;
        client.io.hear(&failure(1)).await;
    })
    .await;
}

/// CONNECT to 192.0.2.1:80 as joe, and the reply of [`targets`].
const SOCKS4: &[u8] = b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\0";
const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";

#[tokio::test(start_paused = true)]
async fn m1_each_protocol_is_served_by_its_own_layer() {
    within(async {
        let port = port(&socks());
        for _ in 0..2 {
            Client::new(port.clone()).connected().await;
            let mut client = Client::new(port.clone());
            client.io.say_bytewise(SOCKS4).await;
            client.io.hear(GRANTED).await;
        }
        // Either alone.
        let only = MixedLayer::new().socks4(Socks4Layer::new());
        let (heard, protocol) = turned_away(&only, HELLO).await;
        assert_eq!((&*heard, protocol), ("\\x05\\xff", ForeignProtocol::Socks5));
        let (heard, _) = turned_away(&only, b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(page(&heard).1.contains("socks4a://"), "{heard}");
        let (heard, _) = turned_away(&socks(), b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(page(&heard).1.contains("SOCKS5 and SOCKS4."), "{heard}");
    })
    .await;
}

#[cfg(feature = "http-server")]
#[tokio::test(start_paused = true)]
async fn m1_http_is_served_beside_socks() {
    within(async {
        let port = port(&socks().http(HttpLayer::new()));
        Client::new(port.clone()).connected().await;
        let mut client = Client::new(port.clone());
        client.io.say(SOCKS4).await;
        client.io.hear(GRANTED).await;
        let mut client = Client::new(port.clone());
        client
            .io
            .say_bytewise(b"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n")
            .await;
        client.io.hear(b"HTTP/1.1 200 ").await;

        // Capital letters that are not HTTP.
        for said in [
            &b"SSH-2.0-OpenSSH_10.0\r\n"[..],
            b"PROXY TCP4 192.0.2.9 192.0.2.1 5 6\r\n",
        ] {
            let (heard, _) = turned_away(&socks().http(HttpLayer::new()), said).await;
            assert_eq!(heard, "");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m2_each_protocol_has_its_own_deadline_from_the_same_moment() {
    within(async {
        let layer = MixedLayer::new()
            .socks5(HandshakeLayer::new().deadline(8 * SECOND))
            .socks4(Socks4Layer::new().deadline(3 * SECOND));
        // What is said after two seconds, and when it is over.
        for (said, limit) in [(&b""[..], 8), (b"\x05", 8), (b"\x04", 3)] {
            let started = Instant::now();
            let mut client = Client::new(port(&layer));
            sleep(2 * SECOND).await;
            client.io.say(said).await;
            // SOCKS4 has a word for it.
            client.io.hear_rest().await;
            let over = started.elapsed();
            assert!(
                (limit * SECOND..limit * SECOND + SECOND / 10).contains(&over),
                "{over:?}"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m1_every_other_octet_is_closed_without_an_answer() {
    within(async {
        let others = (0..=255_u8).filter(|it| !matches!(it, 4 | 5 | b'A'..=b'Z'));
        for octet in others {
            let (heard, protocol) = turned_away(&socks5_alone(), &[octet, 1, 0]).await;
            assert_eq!(heard, "", "{octet:#04x}");
            let expected = match octet {
                0x16 => ForeignProtocol::Tls,
                other => ForeignProtocol::Other(other),
            };
            assert_eq!(protocol, expected);
        }
    })
    .await;
}

/// Splits a message in two at every octet, and waits between the parts.
#[tokio::test(start_paused = true)]
async fn m2_the_first_octets_are_waited_for() {
    let dialogue = [HELLO, CONNECT].concat();
    for at in 0..=dialogue.len() {
        within(async {
            let mut client = Client::new(port(&socks5_alone()));
            for part in [&dialogue[..at], &dialogue[at..]] {
                sleep(4 * SECOND).await;
                client.io.say(part).await;
            }
            client.io.hear(HELLO_OK).await;
            client.io.hear(CONNECTED).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m2_the_wait_and_the_handshake_have_one_deadline() {
    // Nothing at all, one octet after nine seconds, and an octet a second.
    for waits in [&[][..], &[9], &[1; 20]] {
        within(async {
            let started = Instant::now();
            let mut client = Client::new(port(&socks5_alone()));
            let (mut read, mut write) = tokio::io::split(&mut client.io);
            let dribble = async {
                for (wait, octet) in waits.iter().zip([5].into_iter().chain([255; 255])) {
                    sleep(*wait * SECOND).await;
                    write.write_all(&[octet]).await.unwrap();
                }
                std::future::pending().await
            };
            tokio::select! {
                biased;
                rest = rest(&mut read) => assert_eq!(rest, b""),
                () = dribble => unreachable!(),
            }
            let over = started.elapsed();
            assert!(
                (10 * SECOND..10 * SECOND + SECOND / 100).contains(&over),
                "{over:?}"
            );
            let error = client.outcome().await.unwrap_err();
            assert_eq!(error.step(), Step::Greeting);
            assert_eq!(foreign(&error), None);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m2_the_wait_has_the_deadline_of_what_is_served() {
    within(async {
        let layer = MixedLayer::new().socks5(HandshakeLayer::new().deadline(3 * SECOND));
        let started = Instant::now();
        let mut client = Client::new(port(&layer));
        client.io.hear_end().await;
        let over = started.elapsed();
        assert!((3 * SECOND..4 * SECOND).contains(&over), "{over:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_at_once_is_no_foreign_one() {
    within(async {
        let (log, _guard) = Log::start(Level::DEBUG);
        let client = Client::new(port(&socks5_alone()));
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!((error.step(), foreign(&error)), (Step::Greeting, None));
        let log = log.text();
        assert!(log.contains("protocol=none"), "{log}");
    })
    .await;
}

/// The head of the page, and its body.
fn page(heard: &str) -> (&str, &str) {
    let (head, body) = heard.split_once("\r\n\r\n").expect("a whole head");
    assert!(
        head.starts_with("HTTP/1.1 501 Not Implemented\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nConnection: close"), "{head}");
    (head, body)
}

#[tokio::test(start_paused = true)]
async fn m8_http_gets_a_page_that_says_what_is_served() {
    within(async {
        for request in [
            &b"GET http://secret.example/?token=abc HTTP/1.1\r\nHost: secret.example\r\n\r\n"[..],
            b"CONNECT secret.example:443 HTTP/1.1\r\n\r\n",
            b"POST /secret HTTP/1.1\r\nContent-Length: 100000\r\n\r\nabc",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /",
        ] {
            let (heard, protocol) = turned_away(&socks5_alone(), request).await;
            assert_eq!(protocol, ForeignProtocol::Http);
            let (head, body) = page(&heard);
            assert!(body.contains("SOCKS5. HTTP is not served"), "{body}");
            assert!(body.contains("socks5h://"), "{body}");
            let length = format!("Content-Length: {}", body.len());
            assert!(head.lines().any(|line| line == length), "{head}");
            assert!(
                !heard.contains("secret") && !heard.contains("abc"),
                "{heard}"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m8_head_gets_no_body_wherever_it_is_cut() {
    within(async {
        let request = b"HEAD / HTTP/1.1\r\n\r\n";
        for at in 1..request.len() {
            let mut client = Client::new(port(&socks5_alone()));
            client.io.say(&request[..at]).await;
            sleep(SECOND).await;
            // The server may have answered, and have shut its side down, before the rest comes.
            client.io.say(&request[at..]).await;
            let heard = String::from_utf8(client.io.hear_rest().await).unwrap();
            let (head, body) = page(&heard);
            assert!(!head.contains("Content-Length: 0"), "{head}");
            assert_eq!(body, "");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m8_a_method_that_never_ends_gets_nothing_at_the_deadline() {
    within(async {
        let started = Instant::now();
        let mut client = Client::new(port(&socks5_alone()));
        client.io.say(b"HE").await;
        client.io.hear_end().await;
        let over = started.elapsed();
        assert!((10 * SECOND..11 * SECOND).contains(&over), "{over:?}");
        let error = client.outcome().await.unwrap_err();
        assert_eq!(foreign(&error), Some(ForeignProtocol::Http));
    })
    .await;
}

/// The rest of a request, however long, is read for two seconds and not kept.
#[tokio::test(start_paused = true)]
async fn m8_a_request_without_end_is_read_for_a_bounded_time() {
    within(async {
        let started = Instant::now();
        let mut client = Client::with_capacity(port(&socks5_alone()), 512);
        let (mut read, mut write) = tokio::io::split(&mut client.io);
        let flood = async {
            let _ = write.write_all(b"GET / HTTP/1.1\r\n").await;
            while write
                .write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyy\r\n")
                .await
                .is_ok()
            {
                sleep(SECOND / 100).await;
            }
        };
        let (heard, ()) = tokio::join!(rest(&mut read), flood);
        page(std::str::from_utf8(&heard).unwrap());
        let over = started.elapsed();
        assert!((2 * SECOND..3 * SECOND).contains(&over), "{over:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m8_socks4_gets_its_refusal_in_eight_octets() {
    within(async {
        for request in [
            &b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\x00"[..],
            b"\x04\x02\x00\x50\x00\x00\x00\x01\x00name.example\x00",
            b"\x04",
        ] {
            let (heard, protocol) = turned_away(&socks5_alone(), request).await;
            assert_eq!(heard, "\0\x5b\0\0\0\0\0\0");
            assert_eq!(protocol, ForeignProtocol::Socks4);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m8_socks5_is_told_that_no_method_is_acceptable() {
    within(async {
        let (heard, protocol) = turned_away(&MixedLayer::new(), &[HELLO, CONNECT].concat()).await;
        assert_eq!((&*heard, protocol), ("\\x05\\xff", ForeignProtocol::Socks5));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_port_without_any_protocol_serves_nothing() {
    within(async {
        assert_eq!(MixedLayer::new().protocols().count(), 0);
        let (heard, _) = turned_away(&MixedLayer::new(), b"GET / HTTP/1.1\r\n\r\n").await;
        let (_, body) = page(&heard);
        assert!(!body.contains("curl"), "{body}");
        assert!(socks5_alone().protocols().eq([Protocol::Socks5]));
    })
    .await;
}

/// Each with the text of the only line, at debug.
#[tokio::test(start_paused = true)]
async fn m8_one_line_says_what_it_looks_like() {
    within(async {
        for (said, label, text) in [
            (
                &b"\x16\x03\x01\x02\x00\x01"[..],
                "tls",
                "TLS client at a plain port",
            ),
            (
                b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00",
                "socks4",
                "SOCKS4 client where SOCKS4 is not served",
            ),
            (
                b"GET / HTTP/1.1\r\n\r\n",
                "http",
                "HTTP client where HTTP is not served",
            ),
            (b"P", "http", "HTTP client where HTTP is not served"),
            (
                b"POST / HTTP/1.1\r\n\r\n",
                "http",
                "HTTP client where HTTP is not served",
            ),
            (
                b"PROXY TCP4 203.0.113.9 203.0.113.1 50000 1080\r\n",
                "proxy",
                "PROXY protocol header where none is expected",
            ),
            (
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
                "proxy",
                "PROXY protocol header where none is expected",
            ),
            (
                b"SSH-2.0-OpenSSH_10.0\r\n",
                "ssh",
                "SSH client at the port of a proxy server",
            ),
            (b"\r\n", "other", "begins with octet 0x0d"),
            (b"\x80\x03 unescaped", "other", "begins with octet 0x80"),
        ] {
            let (log, _guard) = Log::start(Level::DEBUG);
            let mut client = Client::new(port(&socks5_alone()));
            client.io.say(said).await;
            client.io.shutdown().await.unwrap();
            client.io.hear_rest().await;
            client.outcome().await.unwrap_err();
            let log = log.text();
            let lines: Vec<_> = log.lines().collect();
            assert_eq!(lines.len(), 1, "{log}");
            for part in [
                "DEBUG",
                "outcome=greeting",
                &format!("protocol={label}"),
                text,
            ] {
                assert!(lines[0].contains(part), "no {part:?} in {log}");
            }
            assert!(
                !log.contains("unescaped") && !log.contains("203.0.113.9"),
                "{log}"
            );
        }
    })
    .await;
}

/// `HandshakeLayer` alone: no answer (S2), and the same words.
#[tokio::test(start_paused = true)]
async fn s2_the_line_says_what_it_looks_like() {
    within(async {
        for (said, text) in [
            (
                &b"\x16\x03\x01\x02\x00\x01"[..],
                "TLS client at a plain port",
            ),
            (b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00", "SOCKS4 client"),
            (b"GET / HTTP/1.1\r\n\r\n", "HTTP client"),
            (
                b"PROXY TCP4 203.0.113.9 203.0.113.1 50000 1080\r\n",
                "PROXY protocol header",
            ),
            (b"\x80", "begins with octet 0x80"),
        ] {
            let (log, _guard) = Log::start(Level::DEBUG);
            let (dialer, _) = targets();
            let mut client = Client::new(crate::support::stack(NoAuth, dialer));
            client.io.say(said).await;
            client.io.hear_end().await;
            let error = client.outcome().await.unwrap_err();
            assert!(foreign(&error).is_some());
            let log = log.text();
            assert!(
                log.contains(text) && log.contains("protocol=socks5"),
                "{log}"
            );
            assert_eq!(log.lines().count(), 1, "{log}");
        }
    })
    .await;
}

#[test]
fn a_guess_needs_no_more_than_what_has_come() {
    assert_eq!(ForeignProtocol::of(b""), None);
    for (octets, expected) in [
        (&b"\x05"[..], ForeignProtocol::Socks5),
        (b"P", ForeignProtocol::Http),
        (b"PRO", ForeignProtocol::Http),
        (b"PROX", ForeignProtocol::ProxyHeader),
        (b"PROXY UNKNOWN\r\n", ForeignProtocol::ProxyHeader),
        (b"PROPFIND / ", ForeignProtocol::Http),
        (b"S", ForeignProtocol::Http),
        (b"SSH-2", ForeignProtocol::Ssh),
        (b"SEARCH / ", ForeignProtocol::Http),
        (b"\r\n\r\n\0", ForeignProtocol::ProxyHeader),
        (b"\r", ForeignProtocol::Other(b'\r')),
        (b"get /", ForeignProtocol::Other(b'g')),
    ] {
        assert_eq!(
            ForeignProtocol::of(octets),
            Some(expected),
            "{}",
            octets.escape_ascii()
        );
    }
}
