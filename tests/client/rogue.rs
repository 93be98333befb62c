//! C4, C6: replies of all sorts, whole, cut and garbled.

use std::io::ErrorKind;

use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tower::service_fn;
use tower_socks::{
    BoxError, Client, ClientError, NoAuth, Request,
    client::ClientFault,
    error::{Step, reply_code},
    proto::{self, Address, Credentials, ReplyCode},
    session::Connected,
};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK,
    canned::{Canned, Then},
    exchange, failure, stack, texts,
};

fn target() -> Address {
    "192.0.2.1:80".parse().unwrap()
}

/// What comes of a proxy that lets us in and then says this.
async fn replies(reply: &[u8]) -> Result<Connected<Canned>, ClientError> {
    let (io, _) = Canned::new([HELLO_OK, reply], Then::Ends);
    Client::new().connect(io, target()).await
}

/// A success with this BND, from ATYP on.
fn success(bound: &[u8]) -> Vec<u8> {
    [&[5, 0, 0], bound].concat()
}

/// The three address types, with what a client makes of them.
const BOUNDS: [(&[u8], &str); 3] = [
    (b"\x01\xc6\x33\x64\x07\x10\xe1", "198.51.100.7:4321"),
    (b"\x03\x07example\x10\xe1", "example:4321"),
    (
        b"\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x10\xe1",
        "[2001:db8::7]:4321",
    ),
];

#[tokio::test]
async fn c4_every_number_is_kept() {
    for code in 1..=255 {
        // Some proxies say no more than the number.
        for reply in [&failure(code)[..], &failure(code)[..2], &[5, code, 9, 9, 9]] {
            let error = replies(reply).await.unwrap_err();
            let ClientError::Refused(told) = error else {
                panic!("{error:?}")
            };
            assert_eq!(told, ReplyCode(code));
            assert_eq!(reply_code(&error), ReplyCode(code));
            let fault = match code {
                2 | 7 | 8 => ClientFault::Refused,
                _ => ClientFault::Target(ReplyCode(code)),
            };
            assert_eq!(error.fault(), fault);
        }
    }
    let error = replies(&failure(0x99)).await.unwrap_err();
    assert_eq!(error.to_string(), "proxy replied: reply code 0x99");
}

#[tokio::test]
async fn c4_a_server_behind_a_client_passes_every_number_on() {
    for code in 1..=255 {
        let upstream = service_fn(move |_: Request| async move {
            let connected = replies(&failure(code)).await?;
            Ok::<_, BoxError>(connected.map_io(|_| tokio::io::duplex(1).0))
        });
        let said = [HELLO, CONNECT].concat();
        let heard = exchange(stack(NoAuth, upstream), &said).await;
        assert_eq!(heard, [HELLO_OK, &failure(code)].concat());
    }
}

#[tokio::test]
async fn c4_what_is_between_us_and_the_proxy_is_01_to_others() {
    for says in [
        &b""[..],
        b"\x05\xff",
        b"\x05\x80",
        b"\x04\x00",
        b"\x05\x00",
        b"\x05\x00\x05",
        b"\x05\x00\x05\x00\x00\x02",
        b"HTTP/1.1 400 Bad Request\r\n",
    ] {
        let (io, _) = Canned::says(says);
        let error = Client::new().connect(io, target()).await.unwrap_err();
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE, "{error}");
        assert_ne!(error.fault(), ClientFault::Local);
    }
}

#[tokio::test]
async fn c4_bnd_may_be_of_any_type() {
    for (bound, expected) in BOUNDS {
        let connected = replies(&success(bound)).await.unwrap();
        assert_eq!(connected.bound().to_string(), expected);
    }
    // The longest one.
    let name = "x".repeat(255);
    let bound = [b"\x03\xff", name.as_bytes(), &[0, 80]].concat();
    let connected = replies(&success(&bound)).await.unwrap();
    assert_eq!(*connected.bound(), Address::new(&name, 80).unwrap());
}

#[tokio::test]
async fn c4_a_name_that_is_none_does_not_cost_the_connection() {
    for name in [&b""[..], b"a b", b"\0", b"\xff\xfe", b"two\r\nlines"] {
        let length = u8::try_from(name.len()).unwrap();
        let bound = [&[3, length], name, b"\x10\xe1more"].concat();
        let connected = replies(&success(&bound)).await.unwrap();
        assert_eq!(connected.bound().to_string(), "0.0.0.0:4321");
        assert_eq!(connected.get_ref().rest(), b"more");
    }
}

#[tokio::test]
async fn c4_rsv_is_not_looked_at() {
    for reserved in [1, 5, 255] {
        let mut reply = CONNECTED.to_vec();
        reply[2] = reserved;
        replies(&reply).await.unwrap();
    }
}

#[tokio::test]
async fn c4_a_reply_that_is_cut_is_an_error() {
    for (bound, _) in BOUNDS {
        let reply = success(bound);
        for cut in 0..reply.len() {
            let error = replies(&reply[..cut]).await.unwrap_err();
            let step = Step::Reply;
            assert!(matches!(error, ClientError::Closed { step: at } if at == step));
            assert_eq!(error.fault(), ClientFault::Proxy);
        }
    }
    // A failure is one from its number on.
    for cut in 0..2 {
        let error = replies(&failure(5)[..cut]).await.unwrap_err();
        assert!(matches!(error, ClientError::Closed { .. }));
    }
}

#[tokio::test]
async fn c4_every_message_may_be_cut_off() {
    let whole = [b"\x05\x02\x01\x00", CONNECTED].concat();
    for optimistic in [Client::new(), Client::new().optimistic()] {
        let client = optimistic.credentials(Credentials::new("joe", "secret").unwrap());
        for cut in 0..whole.len() {
            let (io, log) = Canned::says(&whole[..cut]);
            let error = client.connect(io, target()).await.unwrap_err();
            assert!(matches!(error, ClientError::Closed { .. }), "{error:?}");
            assert!(log.is_dropped());
        }
    }
}

#[tokio::test]
async fn c4_messages_may_come_in_pieces() {
    for (bound, expected) in BOUNDS {
        let whole = [b"\x05\x02\x01\x00", &*success(bound), b"first"].concat();
        let client = Client::new().credentials(Credentials::new("joe", "secret").unwrap());
        let cuts = (1..whole.len()).map(|cut| {
            let (left, right) = whole.split_at(cut);
            Canned::new([left, right], Then::Ends).0
        });
        for io in cuts.chain([Canned::dribbles(&whole).0]) {
            let mut connected = client.connect(io, target()).await.unwrap();
            assert_eq!(connected.bound().to_string(), expected);
            let mut rest = Vec::new();
            connected.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"first");
        }
    }
}

#[tokio::test]
async fn c4_another_version_is_not_socks5() {
    for version in (0..=255).filter(|version| *version != 5) {
        let found = proto::Error::Version {
            expected: 5,
            found: version,
        };
        let (io, _) = Canned::new([[version]], Then::Waits);
        let error = Client::new().connect(io, target()).await.unwrap_err();
        let ClientError::NotSocks {
            step: Step::Greeting,
            source,
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(*source, found);

        let error = replies(&[version]).await.unwrap_err();
        let ClientError::NotSocks {
            step: Step::Reply,
            source,
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(*source, found);
    }
}

#[tokio::test]
async fn c4_an_unknown_address_type_is_an_error() {
    for unknown in (0..=255).filter(|octet| ![1, 3, 4].contains(octet)) {
        let error = replies(&[5, 0, 0, unknown]).await.unwrap_err();
        let ClientError::NotSocks { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*source, proto::Error::AddressType(unknown));
    }
}

#[tokio::test]
async fn c6_bytes_right_behind_the_reply_are_not_lost() {
    for (bound, _) in BOUNDS {
        // In one piece with everything else.
        let whole = [HELLO_OK, &success(bound), b"220 hello\r\n"].concat();
        let (io, _) = Canned::says(&whole);
        let connected = Client::new().connect(io, target()).await.unwrap();
        // They are where they were: in the stream itself.
        let mut io: Canned = connected.into_inner();
        assert_eq!(io.rest(), b"220 hello\r\n");
        let mut said = String::new();
        io.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "220 hello\r\n");
    }
}

#[tokio::test]
async fn errors_say_what_to_do_and_no_secrets() {
    let secret = "correct horse battery staple";
    let credentials = Credentials::new("joe", secret).unwrap();
    let client = Client::new().credentials(credentials);
    assert!(!format!("{client:?}").contains("horse"));
    for (says, expected) in [
        (&b""[..], "is it one for SOCKS5"),
        (
            b"\x05\xff",
            "none of the offered methods (no authentication, username/password)",
        ),
        (b"\x05\x01", "selected GSSAPI"),
        (b"HTTP", "check its address and port"),
        (b"\x05\x02\x01\x01", "check the name and the password"),
        (b"\x05\x00\x05\x02", "not allowed by ruleset"),
    ] {
        let (io, _) = Canned::says(says);
        let error = client.connect(io, target()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!texts(&error).contains("horse"));
        let kind = std::io::Error::from(error).kind();
        assert_ne!(kind, ErrorKind::Other);
    }
}

#[tokio::test]
async fn an_error_of_the_stream_is_the_proxys() {
    for kind in [
        ErrorKind::ConnectionReset,
        // To a client of ours these would mean the target.
        ErrorKind::ConnectionRefused,
        ErrorKind::HostUnreachable,
    ] {
        let io = tokio_test::io::Builder::new()
            .write(HELLO)
            .read_error(kind.into())
            .build();
        let error = Client::new().connect(io, target()).await.unwrap_err();
        let step = Step::Greeting;
        assert!(
            matches!(&error, ClientError::Io { step: at, source } if *at == step && source.kind() == kind)
        );
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
        assert_eq!(std::io::Error::from(error).kind(), kind);
    }
}

proptest! {
    #[test]
    fn c4_nothing_that_a_proxy_says_is_a_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        start in 0_usize..5,
    ) {
        let starts: [&[u8]; 5] = [b"", b"\x05\x00", b"\x05\x02\x01\x00", b"\x05\x00\x05\x00\x00", b"\x05\x00\x05\x00\x00\x03"];
        bytes.splice(0..0, starts[start].iter().copied());
        let joe = Credentials::new("joe", "secret").unwrap();
        for client in [Client::new(), Client::new().credentials(joe), Client::new().optimistic()] {
            let ask = async {
                let (io, _) = Canned::says(&bytes);
                let _ = client.connect(io, target()).await;
                let (io, _) = Canned::says(&bytes);
                if let Ok(listener) = client.bind(io, target()).await {
                    let _ = listener.accept().await;
                }
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(ask);
        }
    }
}
