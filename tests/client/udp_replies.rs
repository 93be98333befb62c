//! C4, C7: where a client sends datagrams, by the reply to UDP ASSOCIATE.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tower_socks::{
    Client, ClientError,
    client::{ClientFault, ProxySocket},
    error::reply_code,
    proto::ReplyCode,
};

use crate::support::{
    HELLO, HELLO_OK, Script,
    canned::{Canned, Then},
    failure, has_ipv6, success, within,
};

/// UDP ASSOCIATE, from anywhere.
const ASSOCIATE: &[u8] = b"\x05\x03\x00\x01\0\0\0\0\0\0";

fn relay_of<Io>(socket: &ProxySocket<Io>) -> String {
    socket.relay_addr().expect("a relay").to_string()
}

/// What a client makes of this reply to UDP ASSOCIATE.
async fn replies(client: Client, reply: &[u8]) -> Result<ProxySocket<Canned>, ClientError> {
    let (io, log) = Canned::new([HELLO_OK, reply], Then::Waits);
    let socket = client.associate(io).await;
    assert_eq!(log.written().0, [HELLO, ASSOCIATE].concat());
    assert_eq!(log.is_dropped(), socket.is_err());
    socket
}

#[tokio::test]
async fn c4_a_refusal_keeps_its_number() {
    for code in 1..=255 {
        let error = replies(Client::new(), &failure(code)).await.unwrap_err();
        assert_eq!(reply_code(&error), ReplyCode(code));
    }
}

#[tokio::test]
async fn c4_a_relay_that_nothing_can_be_sent_to_is_an_error() {
    for bound in [
        &b"\x03\x0drelay.example\x04\xd2"[..], // nothing is resolved here
        b"\x03\x00\x04\xd2",
        b"\x01\x7f\0\0\x01\0\0",
        b"\x01\xe0\0\0\x01\x04\xd2",
        b"\x01\xff\xff\xff\xff\x04\xd2",
        b"\x01\0\0\0\0\x04\xd2", // the proxy's address is not known
        b"\x04\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x04\xd2",
    ] {
        let reply = [b"\x05\x00\x00", bound].concat();
        let error = replies(Client::new(), &reply).await.unwrap_err();
        assert!(matches!(error, ClientError::NoRelay(_)), "{error:?}");
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
    }
    // A name that is an address is good enough, and so is one of IPv4 in the clothes of IPv6.
    for bound in [
        &b"\x03\x09127.0.0.1\x04\xd2"[..],
        b"\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\x04\xd2",
    ] {
        let reply = [b"\x05\x00\x00", bound].concat();
        let client = Client::new().proxy_address([127, 0, 0, 1].into());
        let socket = replies(client, &reply).await.unwrap();
        assert_eq!(relay_of(&socket), "127.0.0.1:1234");
    }
}

/// The relay that a proxy at this address leads a client to.
async fn led(proxy: Option<&str>, any: bool, relay: &str) -> Result<String, ClientError> {
    let mut client = Client::new();
    if let Some(proxy) = proxy {
        client = client.proxy_address(proxy.parse().unwrap());
    }
    if any {
        client = client.any_relay();
    }
    let socket = replies(client, &success(relay.parse().unwrap())).await?;
    Ok(relay_of(&socket))
}

#[tokio::test]
async fn a_relay_that_is_not_the_proxys_is_an_error() {
    for (proxy, relay) in [
        // A service of our machine, of our network, and anybody's.
        (Some("127.0.0.2"), "127.0.0.1:8125"),
        (Some("127.0.0.1"), "10.0.0.1:53"),
        (Some("127.0.0.1"), "203.0.113.1:53"),
        (Some("203.0.113.1"), "203.0.113.2:53"),
        (Some("203.0.113.1"), "[2001:db8::2]:53"),
        (Some("127.0.0.1"), "[::1]:53"),
        (Some("2001:db8::1"), "[2001:db8::2]:53"),
        // Nobody knows where the proxy is, and this is no host of the internet.
        (None, "127.0.0.1:8125"),
        (None, "[::ffff:127.0.0.1]:8125"),
        (None, "10.0.0.1:53"),
        (None, "172.16.0.1:53"),
        (None, "192.168.0.1:53"),
        (None, "169.254.169.254:53"),
        (None, "100.64.0.1:53"),
        (None, "198.19.0.1:53"),
        (None, "0.0.0.1:53"),
        (None, "[::1]:53"),
        (None, "[fc00::1]:53"),
        (None, "[fe80::1]:53"),
        (None, "[64:ff9b::7f00:1]:53"),
        (None, "[2002:7f00:1::]:53"),
    ] {
        let error = led(proxy, false, relay).await.unwrap_err();
        assert!(
            matches!(error, ClientError::ForeignRelay { .. }),
            "{relay}: {error:?}"
        );
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
    }
}

#[tokio::test]
async fn any_relay_is_where_the_proxy_says() {
    if !has_ipv6() {
        return;
    }
    for proxy in [Some("127.0.0.1"), Some("203.0.113.1"), None] {
        for relay in ["127.0.0.2:8125", "[::1]:53"] {
            assert_eq!(led(proxy, true, relay).await.unwrap(), relay);
        }
    }
}

#[tokio::test]
async fn a_private_relay_of_a_public_proxy_is_at_the_proxy() {
    // An address of the loopback stands for a public one: a socket has to be connected to it.
    for (proxy, relay, expected) in [
        ("127.0.0.1", "127.0.0.1:1234", "127.0.0.1:1234"),
        ("::ffff:127.0.0.1", "127.0.0.1:1234", "127.0.0.1:1234"),
    ] {
        assert_eq!(led(Some(proxy), false, relay).await.unwrap(), expected);
    }
    // There may be no route from here, and then the error is about the right address.
    for relay in ["10.0.0.1:1234", "127.0.0.1:1234", "[fe80::1]:1234"] {
        match led(Some("203.0.113.1"), false, relay).await {
            Ok(relay) => assert_eq!(relay, "203.0.113.1:1234"),
            Err(error) => assert!(matches!(error, ClientError::Socket(_)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn c7_a_wildcard_is_the_proxys_address() {
    let localhost = Client::new().proxy_address([127, 0, 0, 1].into());
    for wildcard in ["0.0.0.0:1234", "[::]:1234", "[::ffff:0.0.0.0]:1234"] {
        let reply = success(wildcard.parse().unwrap());
        let socket = replies(localhost.clone(), &reply).await.unwrap();
        assert_eq!(relay_of(&socket), "127.0.0.1:1234");
    }
    // A reply with an empty name says no more.
    let reply = b"\x05\x00\x00\x03\x00\x04\xd2";
    let socket = replies(localhost, reply).await.unwrap();
    assert_eq!(relay_of(&socket), "127.0.0.1:1234");
}

#[tokio::test]
async fn c7_over_tcp_the_proxys_address_is_known() {
    within(async {
        let mut hosts = vec!["127.0.0.3"];
        hosts.extend(has_ipv6().then_some("::1"));
        for host in hosts {
            let host: std::net::IpAddr = host.parse().unwrap();
            let server = TcpListener::bind((host, 0)).await.unwrap();
            let address = server.local_addr().unwrap();
            let proxy = tokio::spawn(async move {
                let (mut io, _) = server.accept().await.unwrap();
                io.hear(HELLO).await;
                io.say(HELLO_OK).await;
                io.hear(ASSOCIATE).await;
                io.say(&success(([0, 0, 0, 0], 1234).into())).await;
                io
            });
            let stream = TcpStream::connect(address).await.unwrap();
            let socket = Client::new().associate(stream).await.unwrap();
            assert_eq!(socket.relay_addr(), Some(SocketAddr::new(host, 1234)));
            proxy.await.unwrap();
        }
    })
    .await;
}
