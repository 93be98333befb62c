//! C1, C2, C3, C5: what a client says, octet by octet, and when it says nothing more.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::{io::AsyncReadExt, time::Instant};
use tower_socks::{
    Client, ClientError,
    client::{ClientAuth, ClientFault},
    error::{Step, reply_code},
    proto::{Address, Credentials, InvalidName, Method, ReplyCode},
};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK, Script,
    canned::{Canned, Event, Then},
    settle, texts, within,
};

/// The target of [`CONNECT`].
fn target() -> Address {
    "192.0.2.1:80".parse().unwrap()
}

fn joe() -> Credentials {
    Credentials::new("joe", "secret").unwrap()
}

/// Has to fail, without having written more than this, and with the stream closed.
async fn fails<L: ClientAuth<Canned, Stream = Canned>>(
    client: &Client<L>,
    says: &[u8],
    written: &[u8],
) -> ClientError {
    let (io, log) = Canned::new([says], Then::Waits);
    let error = client.connect(io, target()).await.unwrap_err();
    assert_eq!(log.written().0, written);
    assert!(log.is_dropped(), "the stream is still there");
    error
}

#[tokio::test]
async fn a_dialogue_takes_turns() {
    let said = [HELLO_OK, CONNECTED].concat();
    let (io, log) = Canned::new([said], Then::Waits);
    let connected = Client::new().connect(io, target()).await.unwrap();
    assert_eq!(connected.bound().to_string(), "198.51.100.7:4321");
    // Selection and reply are read in few pieces, and each message is one write.
    let wrote = |bytes: &[u8]| Event::Wrote(bytes.to_vec());
    let events = [
        wrote(HELLO),
        Event::Read(2),
        wrote(CONNECT),
        Event::Read(7),
        Event::Read(3),
    ];
    assert_eq!(log.events(), events);
}

#[tokio::test]
async fn a_dialogue_with_credentials_takes_turns() {
    let said = [b"\x05\x02\x01\x00", CONNECTED].concat();
    for (greeting, connects) in [
        (
            &b"\x05\x02\x00\x02"[..],
            connects(&Client::new().credentials(joe()), &said).await,
        ),
        (b"\x05\x01\x02", connects(&Client::with(joe()), &said).await),
    ] {
        let wrote = |bytes: &[u8]| Event::Wrote(bytes.to_vec());
        let events = [
            wrote(greeting),
            Event::Read(2),
            wrote(b"\x01\x03joe\x06secret"),
            Event::Read(2),
            wrote(CONNECT),
        ];
        assert_eq!(connects[..5], events);
    }
}

async fn connects<L: ClientAuth<Canned, Stream = Canned>>(
    client: &Client<L>,
    says: &[u8],
) -> Vec<Event> {
    let (io, log) = Canned::new([says], Then::Waits);
    let connected = client.connect(io, target()).await.unwrap();
    let events = log.events();
    drop(connected);
    events
}

#[tokio::test]
async fn a_proxy_may_do_without_the_credentials() {
    let said = [HELLO_OK, CONNECTED].concat();
    let events = connects(&Client::new().credentials(joe()), &said).await;
    let greeting = Event::Wrote(b"\x05\x02\x00\x02".to_vec());
    assert_eq!(events[0], greeting);
    assert_eq!(events[2], Event::Wrote(CONNECT.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_before_its_turn() {
    within(async {
        let (io, mut proxy) = tokio::io::duplex(4096);
        let client = Client::new().credentials(joe());
        let connecting = tokio::spawn(async move { client.connect(io, target()).await });
        let turns: [(&[u8], &[u8]); 3] = [
            (b"\x05\x02\x00\x02", b"\x05\x02"),
            (b"\x01\x03joe\x06secret", b"\x01\x00"),
            (CONNECT, CONNECTED),
        ];
        for (hears, says) in turns {
            proxy.hear(hears).await;
            for byte in says {
                settle().await;
                assert!(proxy.read_u8().now_or_never().is_none());
                proxy.say(&[*byte]).await;
            }
        }
        connecting.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn c1_after_ff_the_client_closes() {
    for (client, greeting) in [
        (Client::new(), HELLO),
        (Client::new().credentials(joe()), b"\x05\x02\x00\x02"),
    ] {
        let error = fails(&client, b"\x05\xff", greeting).await;
        assert!(matches!(error, ClientError::NoAcceptableMethod { .. }));
        assert_eq!(error.fault(), ClientFault::Refused);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
    }
    let error = fails(&Client::new(), b"\x05\xff", HELLO).await.to_string();
    assert!(error.ends_with("may want a name and a password"), "{error}");
}

#[tokio::test]
async fn c2_a_method_that_was_not_offered_is_rejected() {
    for selected in 1..=254 {
        let error = fails(&Client::new(), &[5, selected], HELLO).await;
        let ClientError::NotOffered {
            selected: method,
            offered,
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(*method, Method(selected));
        assert_eq!(*offered, Method::NO_AUTHENTICATION.into());
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);

        if selected != 2 {
            let client = Client::new().credentials(joe());
            fails(&client, &[5, selected], b"\x05\x02\x00\x02").await;
            fails(&Client::with(joe()), &[5, selected], b"\x05\x01\x02").await;
        }
    }
    // Whoever wants to log in is not let in without.
    fails(&Client::with(joe()), b"\x05\x00", b"\x05\x01\x02").await;
}

#[tokio::test]
async fn c3_names_and_passwords_longer_than_255_are_refused_early() {
    let longest = [0xa7; 255];
    let longer = [0xa7; 256];
    assert!(Credentials::new(longer, longest).is_none());
    assert!(Credentials::new(longest, longer).is_none());

    let client = Client::new().credentials(Credentials::new(longest, longest).unwrap());
    let said = [b"\x05\x02\x01\x00", CONNECTED].concat();
    let events = connects(&client, &said).await;
    let credentials = [&[1, 255], &longest[..], &[255], &longest].concat();
    assert_eq!(events[2], Event::Wrote(credentials));
}

#[tokio::test]
async fn c3_a_status_other_than_00_is_the_end() {
    let written = b"\x05\x02\x00\x02\x01\x03joe\x06secret";
    for status in 1..=255 {
        let client = Client::new().credentials(joe());
        let error = fails(&client, &[5, 2, 1, status], written).await;
        assert!(matches!(error, ClientError::Denied), "{error:?}");
        assert_eq!(error.fault(), ClientFault::Refused);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
        assert!(!texts(&error).contains("secret"));
    }
    // A status of another version is none.
    for version in [0, 2, 5, 255] {
        let client = Client::new().credentials(joe());
        let error = fails(&client, &[5, 2, version, 0], written).await;
        let step = Step::Authentication;
        assert!(matches!(error, ClientError::NotSocks { step: at, .. } if at == step));
        assert_eq!(error.fault(), ClientFault::Proxy);
    }
}

#[tokio::test]
async fn c5_a_host_of_more_than_255_octets_is_refused_early() {
    let longer = "x".repeat(256);
    assert_eq!(Address::new(&longer, 80), Err(InvalidName::TooLong));

    let longest = "x".repeat(255);
    let target = Address::new(&longest, 443).unwrap();
    let credentials = Credentials::new(longest.clone(), longest.clone()).unwrap();
    let said = [b"\x05\x02\x01\x00", CONNECTED].concat();
    let request = [b"\x05\x01\x00\x03\xff", longest.as_bytes(), b"\x01\xbb"].concat();
    let login = Client::with(credentials);
    for (client, greeting) in [
        (login.clone(), b"\x05\x01\x02"),
        (login.optimistic(), b"\x05\x01\x02"),
    ] {
        let (io, log) = Canned::says(&said);
        client.connect(io, target.clone()).await.unwrap();
        let (written, _) = log.written();
        assert_eq!(written.len(), 3 + 513 + 262);
        assert!(written.starts_with(greeting) && written.ends_with(&request));
    }
}

#[tokio::test]
async fn a_target_is_sent_as_it_is() {
    for (target, request) in [
        (
            "example.com.:80",
            &b"\x05\x01\x00\x03\x0bexample.com\x00\x50"[..],
        ),
        ("192.0.2.1:80", CONNECT),
        (
            "[2001:db8::1]:80",
            b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50",
        ),
    ] {
        let (io, log) = Canned::says(&[HELLO_OK, CONNECTED].concat());
        let target: Address = target.parse().unwrap();
        Client::new().connect(io, target).await.unwrap();
        assert_eq!(log.written().0, [HELLO, request].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn one_limit_bounds_the_whole_dialogue() {
    let client = Client::new().credentials(joe());
    let answers = [b"\x05\x02\x01\x00", CONNECTED].concat();
    for cut in 0..answers.len() {
        let (io, log) = Canned::new([&answers[..cut]], Then::Waits);
        let started = Instant::now();
        let error = client.connect(io, target()).await.unwrap_err();
        assert_eq!(started.elapsed(), Duration::from_secs(30));
        let stopped = match cut {
            0..2 => Step::Greeting,
            2..4 => Step::Authentication,
            _ => Step::Reply,
        };
        assert!(matches!(&error, ClientError::TimedOut { step, .. } if *step == stopped));
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(reply_code(&error), ReplyCode::TTL_EXPIRED);
        assert!(log.is_dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn dribbling_does_not_extend_the_limit() {
    let (io, mut proxy) = tokio::io::duplex(4096);
    let client = Client::new().timeout(Duration::from_secs(7));
    tokio::spawn(async move {
        for byte in [HELLO_OK, CONNECTED].concat() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            proxy.say(&[byte]).await;
        }
    });
    let started = Instant::now();
    let error = client.connect(io, target()).await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(7));
    assert_eq!(error.to_string(), "proxy took longer than 7s (reply)");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_reads_nothing_does_not_hold_the_client_up() {
    // No room for the greeting.
    let (io, _proxy) = tokio::io::duplex(1);
    let error = Client::new().connect(io, target()).await.unwrap_err();
    let step = Step::Greeting;
    assert!(matches!(error, ClientError::TimedOut { step: at, .. } if at == step));
}
