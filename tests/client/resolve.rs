//! RESOLVE and RESOLVE_PTR, from our side: what is sent, and what is taken for an answer.

use std::net::IpAddr;

use tower_socks::{
    Client, ClientError,
    client::ClientFault,
    error::Fault,
    proto::{InvalidName, ParseAddressError, ReplyCode},
};

use crate::support::canned::{Canned, Event, Log, Then};

/// A proxy that says this, and what it heard.
fn saying(reply: &[u8]) -> (Canned, Log) {
    Canned::new([b"\x05\x00", reply], Then::Waits)
}

fn heard(log: &Log) -> Vec<u8> {
    let events = log.events();
    let written = events.into_iter().filter_map(|event| match event {
        Event::Wrote(bytes) => Some(bytes),
        Event::Read(_) | Event::DropReason => None,
    });
    written.collect::<Vec<_>>().concat()
}

async fn resolve(name: &str, reply: &[u8]) -> (Result<IpAddr, ClientError>, Vec<u8>) {
    let (io, log) = saying(reply);
    (Client::new().resolve(io, name).await, heard(&log))
}

#[tokio::test]
async fn the_address_of_a_name() {
    for (reply, expected) in [
        (
            &b"\x05\x00\x00\x01\xc0\x00\x02\x07\x00\x00"[..],
            "192.0.2.7",
        ),
        (b"\x05\x00\x00\x01\xc0\x00\x02\x07\x01\xbb", "192.0.2.7"),
        (
            b"\x05\x00\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\0\0",
            "2001:db8::7",
        ),
        (
            b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07\0\0",
            "192.0.2.7",
        ),
        (b"\x05\x00\x00\x03\x09192.0.2.7\0\0", "192.0.2.7"),
    ] {
        let (found, said) = resolve("Host.Example.", reply).await;
        assert_eq!(found.unwrap(), expected.parse::<IpAddr>().unwrap());
        assert_eq!(
            said,
            b"\x05\x01\x00\x05\xf0\x00\x03\x0chost.example\x00\x00"
        );
    }
    let (_, said) = resolve("192.0.2.7", b"\x05\x04").await;
    assert_eq!(
        said,
        b"\x05\x01\x00\x05\xf0\x00\x01\xc0\x00\x02\x07\x00\x00"
    );
}

#[tokio::test]
async fn what_is_no_address() {
    for reply in [
        // Proxies that take any command for a CONNECT say zeros. To connect there would be to this machine.
        &b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..],
        b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0",
        b"\x05\x00\x00\x03\x0chost.example\x00\x00",
        b"\x05\x00\x00\x03\x00\x00\x00",
    ] {
        let error = resolve("host.example", reply).await.0.unwrap_err();
        assert!(matches!(error, ClientError::NotResolved(_)), "{error}");
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(Fault::of(&error), Fault::Upstream);
    }
    let (io, log) = saying(b"");
    let error = Client::new().resolve(io, "a b").await.unwrap_err();
    let expected = ParseAddressError::Host(InvalidName::Octet);
    assert!(
        matches!(error, ClientError::InvalidTarget(why) if why == expected),
        "{error}"
    );
    assert_eq!(heard(&log), b"");
}

#[tokio::test]
async fn the_name_of_an_address() {
    let (io, log) = saying(b"\x05\x00\x00\x03\x0cHost.Example\x00\x00");
    let name = Client::new().resolve_ptr(io, [192, 0, 2, 7].into()).await;
    assert_eq!(name.unwrap().as_str(), "host.example");
    assert_eq!(
        heard(&log),
        b"\x05\x01\x00\x05\xf1\x00\x01\xc0\x00\x02\x07\x00\x00"
    );
    for reply in [
        &b"\x05\x00\x00\x01\xc0\x00\x02\x07\x00\x00"[..],
        b"\x05\x00\x00\x03\x09127.0.0.1\x00\x00",
        b"\x05\x00\x00\x03\x03a b\x00\x00",
    ] {
        let (io, _) = saying(reply);
        let error = Client::new()
            .resolve_ptr(io, [192, 0, 2, 7].into())
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::NotResolved(_)), "{error}");
    }
}

#[tokio::test]
async fn codes_of_onion_services_are_the_targets_fault() {
    for code in 0xf0..=0xf7 {
        let error = resolve("host.example", &[5, code]).await.0.unwrap_err();
        assert_eq!(error.fault(), ClientFault::Target(ReplyCode(code)));
        assert_eq!(Fault::of(&error), Fault::Target);
        let text = error.to_string();
        assert!(text.starts_with("proxy replied: onion service"), "{text}");
        assert_ne!(
            std::io::Error::from(error).kind(),
            std::io::ErrorKind::Other
        );
    }
    for code in [0xef, 0xf8] {
        let error = resolve("host.example", &[5, code]).await.0.unwrap_err();
        assert_eq!(Fault::of(&error), Fault::Upstream);
    }
}
