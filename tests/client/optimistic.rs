//! Greeting, credentials and request in one write.

use tokio::io::AsyncReadExt;
use tower_socks::{
    Client, ClientError,
    client::{ClientAuth, ClientFault},
    error::reply_code,
    proto::{Address, Credentials, Method, ReplyCode},
};

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK,
    canned::{Canned, Event, Then},
    failure,
};

fn target() -> Address {
    "192.0.2.1:80".parse().unwrap()
}

fn joe() -> Credentials {
    Credentials::new("joe", "secret").unwrap()
}

/// Everything a client with credentials has to say.
fn all() -> Vec<u8> {
    [b"\x05\x01\x02\x01\x03joe\x06secret", CONNECT].concat()
}

async fn fails<L: ClientAuth<Canned, Stream = Canned>>(
    client: &Client<L>,
    says: &[u8],
) -> ClientError {
    let (io, log) = Canned::new([says], Then::Waits);
    let error = client.connect(io, target()).await.unwrap_err();
    assert_eq!(log.written().1, 1);
    assert!(log.is_dropped());
    error
}

#[tokio::test]
async fn one_write_has_it_all() {
    let (io, log) = Canned::says(&[HELLO_OK, CONNECTED].concat());
    let client = Client::new().optimistic();
    client.connect(io, target()).await.unwrap();
    assert_eq!(log.events()[0], Event::Wrote([HELLO, CONNECT].concat()));
    assert_eq!(log.written().1, 1);

    let said = [b"\x05\x02\x01\x00", CONNECTED].concat();
    let (io, log) = Canned::says(&said);
    client
        .credentials(joe())
        .connect(io, target())
        .await
        .unwrap();
    assert_eq!(log.events()[0], Event::Wrote(all()));
    assert_eq!(log.written().1, 1);

    let (io, log) = Canned::says(&said);
    let client = Client::with(joe()).optimistic();
    client.connect(io, target()).await.unwrap();
    assert_eq!(log.written(), (all(), 1));
}

#[tokio::test]
async fn the_longest_of_all_still_is_one_write() {
    let longest = "x".repeat(255);
    let credentials = Credentials::new(longest.clone(), longest.clone()).unwrap();
    let (io, log) = Canned::says(&[b"\x05\x02\x01\x00", CONNECTED].concat());
    let client = Client::new().credentials(credentials).optimistic();
    let target = Address::new(&longest, 80).unwrap();
    client.connect(io, target).await.unwrap();
    let (written, writes) = log.written();
    assert_eq!((written.len(), writes), (3 + 513 + 262, 1));
}

#[tokio::test]
async fn c6_bytes_right_behind_the_reply_are_not_lost() {
    let whole = [b"\x05\x02\x01\x00", CONNECTED, b"first"].concat();
    let client = Client::new().credentials(joe()).optimistic();
    for cut in 1..whole.len() {
        let (left, right) = whole.split_at(cut);
        let (io, _) = Canned::new([left, right], Then::Ends);
        let mut connected = client.connect(io, target()).await.unwrap();
        let mut rest = Vec::new();
        connected.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"first");
    }
}

#[tokio::test]
async fn c2_a_proxy_that_selects_another_method_is_an_error_that_says_so() {
    for selected in (0..255).filter(|octet| *octet != 2) {
        let client = Client::new().credentials(joe()).optimistic();
        let error = fails(&client, &[5, selected, 5, 0, 0]).await;
        let ClientError::NotPipelined {
            selected: other,
            method,
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!((other.0, *method), (selected, Method::USERNAME_PASSWORD));
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert!(
            error
                .to_string()
                .ends_with("do not be optimistic with this one")
        );
    }
    let error = fails(&Client::new().optimistic(), b"\x05\x02").await;
    assert!(matches!(error, ClientError::NotPipelined { .. }));
}

#[tokio::test]
async fn c1_after_ff_the_client_closes() {
    let client = Client::new().credentials(joe()).optimistic();
    let error = fails(&client, b"\x05\xff").await;
    let offered = Method::USERNAME_PASSWORD.into();
    assert!(matches!(error, ClientError::NoAcceptableMethod { offered: set } if set == offered));
}

#[tokio::test]
async fn c3_and_c4_failures_are_told_apart() {
    let client = Client::new().credentials(joe()).optimistic();
    let error = fails(&client, b"\x05\x02\x01\x07").await;
    assert!(matches!(error, ClientError::Denied));
    let refused = [b"\x05\x02\x01\x00", &failure(5)[..]].concat();
    let error = fails(&client, &refused).await;
    assert_eq!(reply_code(&error), ReplyCode::CONNECTION_REFUSED);
    assert_eq!(
        error.fault(),
        ClientFault::Target(ReplyCode::CONNECTION_REFUSED)
    );
}
