//! What an address is written as: text, a host and a port, or an address; and text that is none.

use std::{
    error::Error,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
};

use tokio::net::{TcpStream, UdpSocket};
use tower_socks::{
    Client, ClientError, Connector, NoAuth,
    client::ClientFault,
    error::reply_code,
    proto::{Address, IntoAddress, ParseAddressError, ReplyCode},
};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK,
    canned::{Canned, Then},
    connect_to, proxy, stack, within,
};

/// What the proxy hears of a target.
async fn heard(target: impl IntoAddress) -> Vec<u8> {
    let (io, log) = Canned::new([[HELLO_OK, CONNECTED].concat()], Then::Waits);
    Client::new().connect(io, target).await.unwrap();
    log.written().0
}

#[tokio::test]
async fn an_address_may_be_written_in_many_forms() {
    let said = [HELLO, CONNECT].concat();
    let text = String::from("192.0.2.1:80");
    let ip: IpAddr = "192.0.2.1".parse().unwrap();
    let address: Address = text.parse().unwrap();
    let socket_address: SocketAddr = text.parse().unwrap();
    assert_eq!(heard("192.0.2.1:80").await, said);
    assert_eq!(heard(&text).await, said);
    assert_eq!(heard(text).await, said);
    assert_eq!(heard(("192.0.2.1", 80)).await, said);
    assert_eq!(heard((String::from("192.0.2.1"), 80)).await, said);
    assert_eq!(heard((ip, 80)).await, said);
    assert_eq!(heard(socket_address).await, said);
    assert_eq!(heard(&address).await, said);
    assert_eq!(heard(address).await, said);

    let said = [HELLO, &connect_to("example.com:80")].concat();
    assert_eq!(heard("example.com:80").await, said);
    assert_eq!(heard(("example.com", 80)).await, said);
}

#[tokio::test]
async fn text_that_is_no_address_is_an_error_and_nothing_is_sent() {
    for (text, reason) in [
        ("192.0.2.1", "expected HOST:PORT"),
        ("192.0.2.1:http", "expected HOST:PORT"),
        ("::1:80", "needs brackets"),
        ("socks5://joe:secret@192.0.2.1:80", "leave out the scheme"),
        (":80", "empty"),
        ("", "expected HOST:PORT"),
    ] {
        let (io, log) = Canned::new([HELLO_OK], Then::Waits);
        let connect = Client::new().connect(io, text).await.unwrap_err();
        assert_eq!(log.written().1, 0, "{text}");
        assert!(log.is_dropped(), "{text}");
        let (io, log) = Canned::new([HELLO_OK], Then::Waits);
        let bind = Client::new().bind(io, text).await.unwrap_err();
        assert_eq!(log.written().1, 0, "{text}");
        for error in [connect, bind] {
            assert!(matches!(error, ClientError::InvalidTarget(_)), "{error:?}");
            assert_eq!(error.fault(), ClientFault::Local);
            assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
            assert_eq!(error.to_string(), "the target has no valid address");
            let source = error.source().unwrap().to_string();
            assert!(source.contains(reason), "{text}: {source}");
            assert!(!format!("{error:?} {source}").contains("secret"));
        }
    }
    let (io, _) = Canned::new([HELLO_OK], Then::Waits);
    let error = Client::new().connect(io, ("", 80)).await.unwrap_err();
    assert!(matches!(
        error,
        ClientError::InvalidTarget(ParseAddressError::Host(_))
    ));
}

#[tokio::test]
async fn a_datagram_goes_to_text_as_well() {
    within(async {
        let proxy = proxy(stack(NoAuth, Connector::direct())).await;
        let stream = TcpStream::connect(proxy).await.unwrap();
        let mut socket = Client::new().associate(stream).await.unwrap();
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let text = target.local_addr().unwrap().to_string();

        let error = socket.send_to(b"lost", "127.0.0.1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error: &ClientError = error.get_ref().unwrap().downcast_ref().unwrap();
        assert!(matches!(error, ClientError::InvalidTarget(_)));

        let mut datagram = [0; 9];
        socket.send_to(b"ping", &*text).await.unwrap();
        let (len, _) = target.recv_from(&mut datagram).await.unwrap();
        assert_eq!(&datagram[..len], b"ping");
        let (mut sender, _receiver) = socket.into_split();
        sender.send_to(b"more", &text).await.unwrap();
        let (len, _) = target.recv_from(&mut datagram).await.unwrap();
        assert_eq!(&datagram[..len], b"more");
        assert!(sender.send_to(b"lost", "127.0.0.1").await.is_err());
    })
    .await;
}
