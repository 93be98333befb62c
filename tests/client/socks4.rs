//! `Socks4Client`: what it says, what it refuses to say, and what it makes of every reply. C9, C6.

use std::{io::ErrorKind, time::Duration};

use tokio::io::AsyncReadExt;
use tower_socks::{
    ClientError,
    client::{ClientFault, Socks4Client},
    error::{Fault, Step, reply_code},
    proto::{Address, ReplyCode, socks4},
    session::Connected,
};

use crate::support::{
    canned::{Canned, Then},
    texts,
};

/// Granted, with 198.51.100.7:4321.
const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";

async fn replies(reply: &[u8]) -> Result<Connected<Canned>, ClientError> {
    let (io, _) = Canned::says(reply);
    Socks4Client::new().connect(io, "192.0.2.1:80").await
}

/// What is written for a target.
async fn asks(client: Socks4Client, target: &str) -> Vec<u8> {
    let (io, log) = Canned::says(GRANTED);
    client.connect(io, target).await.unwrap();
    let (written, writes) = log.written();
    assert_eq!(writes, 1);
    written
}

/// A request that cannot be told, of which not an octet is written.
async fn cannot_ask(client: Socks4Client, target: &str) -> (socks4::Unencodable, ClientError) {
    let (io, log) = Canned::says(GRANTED);
    let error = client.connect(io, target).await.unwrap_err();
    assert_eq!(log.written().0, b"");
    let ClientError::Unencodable(why) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.fault(), ClientFault::Local);
    (why, error)
}

#[tokio::test]
async fn an_address_goes_as_socks4_and_a_name_as_socks4a() {
    let client = Socks4Client::new;
    assert_eq!(
        asks(client(), "192.0.2.1:80").await,
        b"\x04\x01\x00\x50\xc0\x00\x02\x01\0"
    );
    let mapped = asks(client(), "[::ffff:192.0.2.1]:80").await;
    assert_eq!(mapped, b"\x04\x01\x00\x50\xc0\x00\x02\x01\0");
    let joe = asks(client().user_id("joe"), "Example.com:443").await;
    assert_eq!(joe, b"\x04\x01\x01\xbb\0\0\0\x01joe\0example.com\0");
    // Zeros are an address.
    assert_eq!(
        asks(client(), "0.0.0.0:80").await,
        b"\x04\x01\x00\x50\0\0\0\0\0"
    );
    let longest = "u".repeat(255);
    let asked = asks(client().user_id(&longest), "192.0.2.1:80").await;
    assert_eq!(asked.len(), 8 + 255 + 1);
}

#[tokio::test]
async fn c9_what_has_no_place_in_the_request_is_refused_before_an_octet_is_sent() {
    use socks4::Unencodable::{Name, Target, UserId};

    // 0.0.0.5 stands for a name that would never come.
    for target in ["[2001:db8::1]:80", "[::1]:80", "0.0.0.5:80", "[::]:80"] {
        let (why, error) = cannot_ask(Socks4Client::new(), target).await;
        assert_eq!(why, Target);
        assert_eq!(reply_code(&error), ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED);
        assert_eq!(Fault::of(&error), Fault::Client);
    }
    let alone = Socks4Client::new().without_names();
    let (why, error) = cannot_ask(alone.clone(), "example.com:80").await;
    assert_eq!(why, Name);
    assert_eq!(reply_code(&error), ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED);
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::InvalidInput);
    assert_eq!(asks(alone, "192.0.2.1:80").await.len(), 9);
    for user_id in [&b"jo\0e"[..], b"\0", &[b'u'; 256]] {
        let (why, error) = cannot_ask(Socks4Client::new().user_id(user_id), "192.0.2.1:80").await;
        assert_eq!(why, UserId);
        assert_eq!(Fault::of(&error), Fault::Server);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
    }
    // BIND likewise.
    let (io, log) = Canned::says(GRANTED);
    let error = Socks4Client::new().bind(io, "[::1]:80").await.unwrap_err();
    assert!(matches!(error, ClientError::Unencodable(Target)));
    assert_eq!(log.written().0, b"");
}

#[tokio::test]
async fn every_code_but_5a_is_a_failure_and_keeps_its_number() {
    for code in (0..=255).filter(|code| *code != 0x5a) {
        // Some proxies say no more than the number.
        for reply in [&[0, code, 0, 0, 0, 0, 0, 0][..], &[0, code]] {
            let error = replies(reply).await.unwrap_err();
            let ClientError::Rejected(told) = error else {
                panic!("{error:?}")
            };
            assert_eq!(told, socks4::ReplyCode(code));
            assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
            assert_eq!(Fault::of(&error), Fault::Upstream);
            let (fault, kind) = match code {
                0x5c | 0x5d => (ClientFault::Refused, ErrorKind::PermissionDenied),
                _ => (
                    ClientFault::Target(ReplyCode::GENERAL_FAILURE),
                    ErrorKind::Other,
                ),
            };
            assert_eq!(error.fault(), fault);
            assert_eq!(std::io::Error::from(error).kind(), kind);
        }
    }
}

#[tokio::test]
async fn c6_octets_behind_the_reply_are_the_first_of_the_stream_wherever_it_is_cut() {
    let all = [GRANTED, b"220 hello"].concat();
    for at in 0..=all.len() {
        let (io, _) = Canned::new([&all[..at], &all[at..]], Then::Ends);
        let client = Socks4Client::new();
        let mut stream = client.connect(io, "192.0.2.1:80").await.unwrap();
        assert_eq!(
            *stream.bound(),
            "198.51.100.7:4321".parse::<Address>().unwrap()
        );
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "220 hello", "cut at {at}");
    }
}

#[tokio::test]
async fn garbage_and_half_a_reply_are_errors() {
    for first in [1, 4, 5, b'H', 255] {
        let error = replies(&[first, 0x5a, 0, 0, 0, 0, 0, 0]).await.unwrap_err();
        assert!(matches!(error, ClientError::NotSocks { .. }), "{error:?}");
        assert!(texts(&error).contains("is not SOCKS4"), "{error}");
        assert_eq!(error.fault(), ClientFault::Proxy);
    }
    for len in 0..GRANTED.len() {
        let error = replies(&GRANTED[..len]).await.unwrap_err();
        let ClientError::Closed { step } = error else {
            panic!("{error:?}")
        };
        assert_eq!(step, Step::Request);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_proxy_is_given_up() {
    for said in [&b""[..], &GRANTED[..7]] {
        let (io, _) = Canned::new([said], Then::Waits);
        let client = Socks4Client::new().timeout(Duration::from_secs(7));
        let started = tokio::time::Instant::now();
        let error = client.connect(io, "192.0.2.1:80").await.unwrap_err();
        assert_eq!(started.elapsed().as_secs(), 7);
        assert!(
            matches!(
                error,
                ClientError::TimedOut {
                    step: Step::Request,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(reply_code(&error), ReplyCode::TTL_EXPIRED);
    }
}

#[tokio::test]
async fn bind_has_two_replies_and_zeros_are_the_proxy() {
    let first = b"\x00\x5a\x10\xe1\0\0\0\0";
    let second = b"\x00\x5a\x15\xb3\xc0\x00\x02\x01";
    let all = [&first[..], second, b"220 hello"].concat();
    for at in 0..=all.len() {
        let (io, log) = Canned::new([&all[..at], &all[at..]], Then::Ends);
        let client = Socks4Client::new().proxy_address([192, 0, 2, 9].into());
        let listener = client.bind(io, "192.0.2.1:20").await.unwrap();
        assert_eq!(log.written().0, b"\x04\x02\x00\x14\xc0\x00\x02\x01\0");
        assert_eq!(listener.bound().to_string(), "192.0.2.9:4321");
        let (mut stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.to_string(), "192.0.2.1:5555");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "220 hello");
    }
    let (io, _) = Canned::says(&[&first[..], b"\x00\x5b\0\0\0\0\0\0"].concat());
    let listener = Socks4Client::new().bind(io, "192.0.2.1:20").await.unwrap();
    // Nobody knows the proxy's address here.
    assert_eq!(listener.bound().to_string(), "0.0.0.0:4321");
    let error = listener.accept().await.unwrap_err();
    assert!(matches!(
        error,
        ClientError::Rejected(socks4::ReplyCode::REJECTED)
    ));
}

#[test]
fn the_user_id_is_not_printed() {
    let client = Socks4Client::new().user_id("sesame");
    let printed = format!("{client:?}");
    assert!(
        !printed.contains("sesame") && !printed.contains("115"),
        "{printed}"
    );
}
