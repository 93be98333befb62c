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
        let socket = replies(Client::new(), &reply).await.unwrap();
        assert_eq!(socket.relay_addr().to_string(), "127.0.0.1:1234");
    }
}

#[tokio::test]
async fn c7_a_wildcard_is_the_proxys_address() {
    let localhost = Client::new().proxy_address([127, 0, 0, 1].into());
    for wildcard in ["0.0.0.0:1234", "[::]:1234", "[::ffff:0.0.0.0]:1234"] {
        let reply = success(wildcard.parse().unwrap());
        let socket = replies(localhost.clone(), &reply).await.unwrap();
        assert_eq!(socket.relay_addr().to_string(), "127.0.0.1:1234");
    }
    // A reply with an empty name says no more.
    let reply = b"\x05\x00\x00\x03\x00\x04\xd2";
    let socket = replies(localhost, reply).await.unwrap();
    assert_eq!(socket.relay_addr().to_string(), "127.0.0.1:1234");
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
            assert_eq!(socket.relay_addr(), SocketAddr::new(host, 1234));
            proxy.await.unwrap();
        }
    })
    .await;
}
