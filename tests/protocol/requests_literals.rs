//! R13: a name in any notation that is really an address is judged as that address, or refused.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tower::Layer;
use tower_socks::{AclLayer, NoAuth, Refusal, Request, proto::Address};

use crate::support::{
    CONNECTED, Client, HELLO, HELLO_OK, Script, exchange, failure, stack, targets::targets, within,
};

/// The reply to a CONNECT to `name`, and what the connector got to see.
async fn connect(name: &str) -> (u8, Option<Address>) {
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(NoAuth, dialer));
    client
        .io
        .say(&[HELLO, &to_name(name.as_bytes(), 80)].concat())
        .await;
    client.io.hear(HELLO_OK).await;
    let mut reply = [0; 10];
    client.io.read_exact(&mut reply).await.unwrap();
    (
        reply[1],
        dialled.try_recv().ok().map(|(request, _)| request.target),
    )
}

fn to_name(name: &[u8], port: u16) -> Vec<u8> {
    let len = [u8::try_from(name.len()).unwrap()];
    [b"\x05\x01\x00\x03", &len[..], name, &port.to_be_bytes()].concat()
}

#[tokio::test(start_paused = true)]
async fn r13_a_non_canonical_literal_arrives_as_its_address() {
    for name in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "0X7F000001",
        "017700000001",
        "2130706433",
        "::ffff:127.0.0.1",
        "[::ffff:127.0.0.1]",
        "::ffff:7f00:1",
        "127.0.0.1.",
        "127.0.0.1..",
        "0177.0.0.0x1",
        // Digits of other scripts, which resolvers with IDNA map to those of ASCII.
        "127.0.0.\u{ff11}",
        "\u{ff11}\u{ff12}\u{ff17}.1",
        "127\u{3002}0.0.1",
    ] {
        within(async {
            let loopback = Address::Ip("127.0.0.1:80".parse().unwrap());
            assert_eq!(connect(name).await, (0, Some(loopback)), "{name}");
        })
        .await;
    }
    for name in ["::1", "[::1]", "0:0:0:0:0:0:0:1", "[::1].", "::0001"] {
        within(async {
            let loopback = Address::Ip("[::1]:80".parse().unwrap());
            assert_eq!(connect(name).await, (0, Some(loopback)), "{name}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r13_a_mapped_address_arrives_as_ipv4() {
    within(async {
        let bytes = b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\x00\x50";
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[HELLO, bytes].concat()).await;
        client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
        let (request, _) = dialled.recv().await.unwrap();
        let loopback = Address::Ip("127.0.0.1:80".parse().unwrap());
        assert_eq!(request.target, loopback);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r13_what_only_looks_like_an_address_is_refused() {
    for name in [
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.0.256",
        "4294967296",
        "0x",
        "08",
        "127.0.0.0x",
        "1..1",
        "fe80::1%eth0",
        "[::1",
        "[]",
        "[127.0.0.1]",
        "example.com:80",
        "127.0.0.\u{0661}",
    ] {
        within(async {
            assert_eq!(connect(name).await, (1, None), "{name}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r13_a_policy_judges_the_address_behind_the_notation() {
    for name in [
        "127.1",
        "0x7f000001",
        "2130706433",
        "::ffff:127.0.0.1",
        "[::1]",
        "127.0.0.1.",
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let judged = Arc::new(Mutex::new(Vec::new()));
            let record = Arc::clone(&judged);
            let policy = move |request: &Request, _| {
                record.lock().unwrap().push(request.target.to_string());
                match request.target.ip() {
                    Some(address) if address.ip().is_loopback() => {
                        Err(Refusal::not_allowed("loopback"))
                    }
                    _ => Ok(()),
                }
            };
            let service = AclLayer::new(policy).layer(dialer);
            let said = [HELLO, &to_name(name.as_bytes(), 80)].concat();
            let heard = exchange(stack(NoAuth, service), &said).await;
            assert_eq!(heard, [HELLO_OK, &failure(2)].concat(), "{name}");
            let judged = judged.lock().unwrap().join(" ");
            assert!(["127.0.0.1:80", "[::1]:80"].contains(&&*judged), "{judged}");
            assert!(dialled.recv().await.is_none());
        })
        .await;
    }
}
