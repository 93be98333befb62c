//! R1 to R6: what a request may say (RFC 1928 sections 4 and 5).

use tower::ServiceExt;
use tower_socks::{
    Connector, NoAuth, Request,
    connector::Unsupported,
    error::{Fault, Step},
    proto::{Address, Command, DomainName},
    session::Accepted,
};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, LOCAL, PEER, Script, exchange, failure, stack,
    targets::targets, within,
};

/// What the connector gets to see of a request.
async fn admitted(bytes: &[u8]) -> Request {
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(NoAuth, dialer));
    client.io.say(&[HELLO, bytes].concat()).await;
    client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
    dialled.recv().await.unwrap().0
}

/// The reply code of a request that is answered in full and never gets to the connector.
async fn turned_away(bytes: &[u8]) -> u8 {
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(NoAuth, dialer));
    client.io.say(&[HELLO, bytes].concat()).await;
    client.io.hear(HELLO_OK).await;
    let reply = client.io.hear_rest().await;
    let code = reply[1];
    assert_eq!(reply, failure(code));
    assert_ne!(code, 0);
    let error = client.lingering_close().await.unwrap_err();
    assert_eq!(
        (error.step(), error.fault()),
        (Step::Request, Fault::Client)
    );
    assert!(dialled.recv().await.is_none());
    code
}

fn to_name(name: &[u8], port: u16) -> Vec<u8> {
    let len = [u8::try_from(name.len()).unwrap()];
    [b"\x05\x01\x00\x03", &len[..], name, &port.to_be_bytes()].concat()
}

#[tokio::test(start_paused = true)]
async fn r1_an_ipv4_address_is_four_bytes() {
    within(async {
        let request = admitted(b"\x05\x01\x00\x01\xc0\x00\x02\x01\x1f\x90").await;
        assert_eq!(request.command, Command::CONNECT);
        let target = Address::Ip("192.0.2.1:8080".parse().unwrap());
        assert_eq!(request.target, target);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r1_an_ipv6_address_is_sixteen_bytes() {
    within(async {
        let bytes = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xff\xff";
        let request = admitted(bytes).await;
        let target = Address::Ip("[2001:db8::1]:65535".parse().unwrap());
        assert_eq!(request.target, target);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r1_a_name_is_its_length_and_itself() {
    within(async {
        for name in ["x", "example.com", "Example.COM.", "m\u{fc}nchen.example"] {
            let request = admitted(&to_name(name.as_bytes(), 80)).await;
            let target = Address::Name(DomainName::new(name).unwrap(), 80);
            assert_eq!(request.target, target);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r1_every_command_arrives_with_what_is_known_about_the_client() {
    #[derive(Debug, PartialEq)]
    struct Tag(&'static str);

    for command in 0..=255 {
        within(async {
            let (dialer, mut dialled) = targets();
            let (mut client, server) = tokio::io::duplex(1024);
            let (peer, local) = (PEER.parse().unwrap(), LOCAL.parse().unwrap());
            let mut accepted = Accepted::new(server, peer, local);
            accepted.extensions.insert(Tag("from outside"));
            let session = tokio::spawn(stack(NoAuth, dialer).oneshot(accepted));

            let request = [5, command, 0, 1, 192, 0, 2, 1, 0, 80];
            client.say(&[HELLO, &request].concat()).await;
            client.hear(&[HELLO_OK, CONNECTED].concat()).await;
            let (request, _) = dialled.recv().await.unwrap();
            assert_eq!(request.command, Command(command));
            // The port of a lookup means nothing.
            let port = if matches!(command, 0xf0 | 0xf1) {
                0
            } else {
                80
            };
            assert_eq!(request.target.to_string(), format!("192.0.2.1:{port}"));
            assert_eq!((request.peer, request.local), (peer, local));
            assert_eq!(request.identity.name(), None);
            assert_eq!(request.extensions.get(), Some(&Tag("from outside")));
            session.abort();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r1_another_version_is_a_failure() {
    within(async {
        for version in [0, 1, 4, 6, 0x47, 0xff] {
            assert_eq!(
                turned_away(&[version, 1, 0, 1, 192, 0, 2, 1, 0, 80]).await,
                1
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r1_a_request_that_is_cut_gets_no_reply() {
    within(async {
        for cut in 0..CONNECT.len() {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(&[HELLO, &CONNECT[..cut]].concat()).await;
            client.io.hear(HELLO_OK).await;
            let error = client.lingering_close().await.unwrap_err();
            assert_eq!(
                (error.step(), error.fault()),
                (Step::Request, Fault::Client)
            );
            assert!(dialled.recv().await.is_none());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r2_a_reserved_octet_that_is_not_zero_gets_a_well_formed_answer() {
    within(async {
        for reserved in 0..=255 {
            let request = admitted(&[5, 1, reserved, 1, 192, 0, 2, 1, 0, 80]).await;
            assert_eq!(request.target.to_string(), "192.0.2.1:80");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r3_an_unknown_address_type_gets_08() {
    for unknown in (0..=255).filter(|octet| ![1, 3, 4].contains(octet)) {
        within(async {
            assert_eq!(turned_away(&[5, 1, 0, unknown]).await, 8);
            // However much stands behind it.
            let longer = [&[5, 1, 0, unknown][..], &[0x61; 300]].concat();
            assert_eq!(turned_away(&longer).await, 8);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r4_an_unknown_command_gets_07_in_a_complete_reply() {
    for command in (0..=255).filter(|octet| !matches!(octet, 1..=3)) {
        within(async {
            for target in [
                &b"\x01\xc0\x00\x02\x01\x00\x50"[..],
                b"\x03\x0bexample.com\x00\x50",
                b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50",
            ] {
                let stack = stack(NoAuth, Connector::direct());
                let said = [HELLO, &[5, command, 0], target].concat();
                let heard = exchange(stack, &said).await;
                assert_eq!(heard, [HELLO_OK, &failure(7)].concat());
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r4_a_command_that_is_switched_off_gets_07() {
    for command in [1, 2, 3] {
        let connector = Connector::direct()
            .with_connect(Unsupported)
            .with_bind(Unsupported)
            .with_associate(Unsupported);
        let said = [HELLO, &[5, command], &CONNECT[2..]].concat();
        let heard = within(exchange(stack(NoAuth, connector), &said)).await;
        assert_eq!(heard, [HELLO_OK, &failure(7)].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn r5_a_name_that_can_be_none_gets_a_failure() {
    for name in [
        &b""[..],
        b"\0",
        b"example.com\0",
        b"exa\0mple.com",
        b"exa mple.com",
        b" example.com",
        b"example.com ",
        b"example\r\n.com",
        b"\x1b[2Jexample.com",
        b"example\x7f.com",
        b"exa\xffmple.com",
        b"\xc2\x85",
        b".",
        b"...",
        &[0; 255],
    ] {
        within(async {
            assert_eq!(turned_away(&to_name(name, 80)).await, 1);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r5_a_name_of_255_bytes_is_legal() {
    within(async {
        let name = "x".repeat(255);
        let request = admitted(&to_name(name.as_bytes(), 443)).await;
        assert_eq!(request.target.to_string(), format!("{name}:443"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r6_connect_to_port_0_gets_a_failure() {
    within(async {
        turned_away(b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x00").await;
        turned_away(b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x00").await;
        turned_away(&to_name(b"example.com", 0)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r6_port_0_has_a_meaning_in_the_other_commands() {
    within(async {
        for command in [2, 3] {
            let request = admitted(&[5, command, 0, 1, 0, 0, 0, 0, 0, 0]).await;
            assert_eq!(request.target, Address::UNSPECIFIED);
        }
    })
    .await;
}
