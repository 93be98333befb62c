//! What errors say: what happened, to whom, and what to do about it.

use std::{error::Error, io, time::Duration};

use tokio::time::timeout;
use tower_socks::{
    ClientError,
    client::ClientFault,
    connector::upstream::HttpError,
    error::Step,
    io::{ReadError, read_message},
    proto::{
        self, Address, Decode, DomainName, InvalidName, Method, MethodSet, Reply, ReplyCode,
        UdpHeader,
    },
};

/// Why a stream failed.
fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "it went away")
}

/// What an error says, and each of its sources.
fn says(error: &dyn Error) -> Vec<String> {
    let mut said = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        said.push(source.to_string());
        next = source.source();
    }
    said
}

#[tokio::test(start_paused = true)]
async fn a_client_hears_how_far_it_came_and_what_to_look_at() {
    let proxy: Address = "192.0.2.1:1080".parse().unwrap();
    let step = Step::Request;
    let limit = Duration::from_secs(10);
    let elapsed = || timeout(Duration::ZERO, std::future::pending::<()>());
    let offered: MethodSet = [Method::NO_AUTHENTICATION].into_iter().collect();
    let (selected, method) = (Method::GSSAPI, Method::USERNAME_PASSWORD);
    let cases = [
        (
            ClientError::Unreachable {
                proxy: proxy.clone(),
                source: gone().into(),
            },
            "proxy 192.0.2.1:1080 could not be reached",
            ClientFault::Proxy,
        ),
        (
            ClientError::Io {
                step,
                source: gone(),
            },
            "connection to the proxy broke off (request)",
            ClientFault::Proxy,
        ),
        (
            ClientError::Closed {
                step: Step::Greeting,
            },
            "proxy closed the connection without a word: is it one for SOCKS5, and may we use it?",
            ClientFault::Proxy,
        ),
        (
            ClientError::TimedOut {
                step,
                limit,
                source: elapsed().await.unwrap_err(),
            },
            "proxy took longer than 10s (request)",
            ClientFault::Proxy,
        ),
        (
            ClientError::NotOffered { selected, offered },
            "proxy selected GSSAPI, and was offered no authentication",
            ClientFault::Proxy,
        ),
        (
            ClientError::NotPipelined { selected, method },
            "proxy selected GSSAPI, and the client had gone ahead with username/password: do not be \
             optimistic with this one",
            ClientFault::Proxy,
        ),
        (
            ClientError::NoAcceptableMethod { offered },
            "proxy accepts none of the offered methods (no authentication): it may want a name and a \
             password",
            ClientFault::Refused,
        ),
        (
            ClientError::Authentication(gone().into()),
            "authentication with the proxy failed",
            ClientFault::Refused,
        ),
        (
            ClientError::NoRelay("0.0.0.0:0".parse().unwrap()),
            "proxy takes datagrams at 0.0.0.0:0, where nothing can be sent to: tell the client the \
             proxy's address, or the proxy its own",
            ClientFault::Proxy,
        ),
        (
            ClientError::ForeignRelay {
                relay: "127.0.0.1:8125".parse().unwrap(),
                proxy: Some("203.0.113.1:0".parse().unwrap()),
            },
            "proxy takes datagrams at 127.0.0.1:8125, and its own address is 203.0.113.1: allow any \
             relay, if this is right",
            ClientFault::Proxy,
        ),
        (
            ClientError::ForeignRelay {
                relay: "127.0.0.1:8125".parse().unwrap(),
                proxy: None,
            },
            "proxy takes datagrams at 127.0.0.1:8125, which is no address of the internet: tell the \
             client the proxy's address, or allow any relay",
            ClientFault::Proxy,
        ),
        (
            ClientError::Socket(gone()),
            "no UDP socket towards the proxy",
            ClientFault::Local,
        ),
    ];
    for (error, text, fault) in cases {
        let said = says(&error);
        assert_eq!(said.first().map(String::as_str), Some(text));
        assert_eq!(error.fault(), fault, "{text}");
        // The cause is told where there is one, and it is the true one.
        let is_gone = matches!(
            error,
            ClientError::Unreachable { .. }
                | ClientError::Io { .. }
                | ClientError::Authentication(_)
                | ClientError::Socket(_)
        );
        assert_eq!(
            said.get(1).is_some_and(|it| it == "it went away"),
            is_gone,
            "{said:?}"
        );
        assert_eq!(said.len(), 1 + usize::from(error.source().is_some()));
    }
}

#[test]
fn a_client_of_an_http_proxy_hears_it_too() {
    let unreachable = ClientError::Closed {
        step: Step::Request,
    };
    let cases = [
        (
            HttpError::Unreachable(unreachable),
            "proxy closed the connection (request)",
            ClientFault::Proxy,
        ),
        (
            HttpError::Io(gone()),
            "connection to the HTTP proxy broke off",
            ClientFault::Proxy,
        ),
        (
            HttpError::Closed,
            "HTTP proxy closed the connection",
            ClientFault::Proxy,
        ),
    ];
    for (error, text, fault) in cases {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.fault(), fault, "{text}");
    }
}

#[test]
fn addresses_say_how_they_are_written() {
    let says = |text: &str| text.parse::<Address>().unwrap_err().to_string();
    let port = "expected HOST:PORT with a port from 0 to 65535";
    assert_eq!(says("example.com"), port);
    assert_eq!(says("example.com:65536"), port);
    assert_eq!(
        says("::1:1080"),
        "an IPv6 address needs brackets: [::1]:1080"
    );
    assert_eq!(
        says("socks5://[::1]:1080"),
        "expected HOST:PORT and not a URL: leave out the scheme"
    );
    assert_eq!(says(":80"), "host name is empty, or has an empty label");
    let long = "x".repeat(256);
    assert_eq!(
        DomainName::new(&long).unwrap_err().to_string(),
        "host name is longer than 255 octets"
    );
}

#[test]
fn messages_say_which_octet_is_wrong() {
    let datagram = UdpHeader::decode(b"\0\x01\0\x01\x7f\0\0\x01\0\x50").unwrap_err();
    assert_eq!(datagram, proto::Error::Reserved);
    assert_eq!(datagram.to_string(), "reserved octets are not zero");
    let name = UdpHeader::decode(b"\0\0\0\x03\x01\0\0\x50").unwrap_err();
    assert_eq!(name, proto::Error::Name(InvalidName::Octet));
    assert!(
        name.to_string().contains("a character that no name has"),
        "{name}"
    );
    assert_eq!(Method::NO_ACCEPTABLE.to_string(), "no acceptable method");
    assert_eq!(ReplyCode::SUCCEEDED.to_string(), "succeeded");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_says_why() {
    let mut scratch = [0; 300];
    let mut broken = tokio_test::io::Builder::new()
        .read(b"\x05\x00")
        .read_error(io::ErrorKind::ConnectionReset.into())
        .build();
    let error = read_message::<Reply, _>(&mut broken, &mut scratch)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "connection reset");
    assert!(matches!(&error, ReadError::Io(_)) && error.source().is_some());

    // What has no room is an error, and not a message that is cut.
    let mut said = &b"\x05\x00\x00\x01"[..];
    let error = read_message::<Reply, _>(&mut said, &mut scratch[..3]).await;
    let ReadError::Io(error) = error.unwrap_err() else {
        panic!("there is no room");
    };
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
}
