//! U1 to U6: username/password (RFC 1929).

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, DuplexStream},
    sync::mpsc,
    time::Instant,
};
use tower::service_fn;
use tower_socks::{
    BoxError, Credentials, Identity, UserPass, Users, error::Step, io::PrefixedStream,
    layer::auth::Authenticate,
};

use crate::support::{
    CONNECT, CONNECTED, Client, Script, exchange, stack,
    targets::{Dialled, targets},
    within,
};

fn users(name: &[u8], password: &[u8]) -> Users {
    [(name, password)].into_iter().collect()
}

fn joe() -> UserPass<Users> {
    UserPass::new(users(b"joe", b"secret"))
}

/// The frame, written by hand.
fn frame(name: &[u8], password: &[u8]) -> Vec<u8> {
    let len = |octets: &[u8]| [u8::try_from(octets.len()).unwrap()];
    [&[1], &len(name)[..], name, &len(password), password].concat()
}

/// Offers X'02', sends `credentials` and a request right behind them, and answers with what comes
/// behind the selection, and with what was dialled.
async fn attempt<V>(auth: UserPass<V>, credentials: &[u8]) -> (Vec<u8>, Dialled)
where
    UserPass<V>: Authenticate<PrefixedStream<DuplexStream>> + 'static,
{
    let (dialer, dialled) = targets();
    let mut client = Client::new(stack(auth, dialer));
    client
        .io
        .say(&[b"\x05\x01\x02", credentials, CONNECT].concat())
        .await;
    client.io.hear(b"\x05\x02").await;
    let mut status = vec![0; 2];
    client.io.read_exact(&mut status).await.unwrap();
    if status == b"\x01\x00" {
        client.io.hear(CONNECTED).await;
    } else {
        client.io.hear_end().await;
        let error = client.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Authentication);
    }
    (status, dialled)
}

#[tokio::test(start_paused = true)]
async fn u1_names_and_passwords_of_any_bytes() {
    let all: Vec<u8> = (1..=255).collect();
    let reversed: Vec<u8> = (0..=254).rev().collect();
    for (name, password) in [
        (&b"j"[..], &b"s"[..]),
        (b"joe", b"secret"),
        (b"\0", b"\0"),
        (b"joe\0", b"\0secret\0"),
        (b"joe:colon", b"se:cr:et"),
        (b" joe \r\n", b"\t\x7f\x1b[0m"),
        (b"\xff\xfe\x80", b"\xc3\x28"),
        ("j\u{f6}e".as_bytes(), "\u{1f511}".as_bytes()),
        (&[b'n'; 255], &[b'p'; 255]),
        (&[b'n'; 255], b"p"),
        (b"n", &[0xff; 255]),
        (&all, &reversed),
    ] {
        within(async {
            let auth = UserPass::new(users(name, password));
            let (status, mut dialled) = attempt(auth, &frame(name, password)).await;
            assert_eq!(status, b"\x01\x00");
            let (request, _) = dialled.recv().await.unwrap();
            assert_eq!(request.identity.name(), Some(name));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn u1_credentials_in_single_byte_writes() {
    within(async {
        let (name, password) = ([0xfe; 255], [b'p'; 255]);
        let (dialer, _dialled) = targets();
        let auth = UserPass::new(users(&name, &password));
        let mut client = Client::new(stack(auth, dialer));
        client.io.say_bytewise(b"\x05\x01\x02").await;
        client.io.hear(b"\x05\x02").await;
        client.io.say_bytewise(&frame(&name, &password)).await;
        client.io.hear(b"\x01\x00").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn u2_wrong_credentials_get_a_failure_and_the_end() {
    for (name, password) in [
        (&b"joe"[..], &b"Secret"[..]),
        (b"joe", b"secre"),
        (b"joe", b"secrets"),
        (b"joe", b"secret\0"),
        (b"joe", b"\0"),
        (b"jo", b"secret"),
        (b"joey", b"secret"),
        (b"joe\0", b"secret"),
        (b"JOE", b"secret"),
        (b"secret", b"joe"),
        (b"jane", b"secret"),
        (b"jane", &[0; 255]),
    ] {
        within(async {
            let (status, mut dialled) = attempt(joe(), &frame(name, password)).await;
            assert_eq!(status, b"\x01\x01");
            assert!(dialled.recv().await.is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn u2_no_users_let_nobody_in() {
    within(async {
        for credentials in [
            &b"\x01\x03joe\x06secret"[..],
            b"\x01\x01\x00\x01\x00",
            b"\x01\0\0",
        ] {
            let empty = UserPass::new(Users::default()).allow_empty();
            let (status, mut dialled) = attempt(empty, credentials).await;
            assert_eq!(status, b"\x01\x01");
            assert!(dialled.recv().await.is_none());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn u2_the_server_closes_though_the_client_does_not() {
    within(async {
        let (dialer, _) = targets();
        let mut client = Client::new(stack(joe(), dialer));
        let started = Instant::now();
        client.io.say(b"\x05\x01\x02\x01\x03joe\x05wrong").await;
        client.io.hear(b"\x05\x02\x01\x01").await;
        client.io.hear_end().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        client.outcome().await.unwrap_err();
        assert!(started.elapsed() <= Duration::from_secs(10));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn u3_another_version_is_never_a_success() {
    for version in (0..=255).filter(|octet| *octet != 1) {
        within(async {
            let mut credentials = frame(b"joe", b"secret");
            credentials[0] = version;
            let (status, mut dialled) = attempt(joe(), &credentials).await;
            assert_eq!(status, b"\x01\x01");
            assert!(dialled.recv().await.is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn u3_a_request_in_place_of_credentials_is_none() {
    within(async {
        let (status, mut dialled) = attempt(joe(), b"").await;
        assert_eq!(status, b"\x01\x01");
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

/// Lets everyone in, and tells whom it was asked about.
fn asked() -> (
    impl tower::Service<Credentials, Response = Identity, Error = BoxError, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static,
    mpsc::UnboundedReceiver<Credentials>,
) {
    let (ask, asked) = mpsc::unbounded_channel();
    let verifier = service_fn(move |credentials: Credentials| {
        ask.send(credentials).unwrap();
        async { Ok(Identity::anonymous()) }
    });
    (verifier, asked)
}

#[tokio::test(start_paused = true)]
async fn u4_empty_names_and_passwords_fail_without_a_question() {
    for credentials in [
        &b"\x01\x00\x06secret"[..],
        b"\x01\x03joe\x00",
        b"\x01\x00\x00",
    ] {
        within(async {
            let (verifier, mut asked) = asked();
            let (status, mut dialled) = attempt(UserPass::new(verifier), credentials).await;
            assert_eq!(status, b"\x01\x01");
            assert!(asked.recv().await.is_none());
            assert!(dialled.recv().await.is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn u4_empty_names_and_passwords_may_be_allowed() {
    for (name, password) in [(&b""[..], &b"secret"[..]), (b"joe", b""), (b"", b"")] {
        within(async {
            let (verifier, mut asked) = asked();
            let auth = UserPass::new(verifier).allow_empty();
            let (status, _) = attempt(auth, &frame(name, password)).await;
            assert_eq!(status, b"\x01\x00");
            let credentials = asked.recv().await.unwrap();
            assert_eq!(credentials.name(), name);
            assert_eq!(credentials.password().as_bytes(), password);

            // It still takes the right ones.
            let (good, bad) = (users(name, password), users(name, b"other"));
            let (status, _) =
                attempt(UserPass::new(good).allow_empty(), &frame(name, password)).await;
            assert_eq!(status, b"\x01\x00");
            let (status, _) =
                attempt(UserPass::new(bad).allow_empty(), &frame(name, password)).await;
            assert_eq!(status, b"\x01\x01");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn u5_request_behind_wrong_credentials_is_not_executed() {
    within(async {
        let (dialer, mut dialled) = targets();
        let said = [
            &b"\x05\x02\x00\x02\x01\x03joe\x05wrong"[..],
            CONNECT,
            b"data for the target",
        ]
        .concat();
        let heard = exchange(stack(joe(), dialer), &said).await;
        assert_eq!(heard, b"\x05\x02\x01\x01");
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn u5_a_second_attempt_on_the_connection_is_not_heard() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(joe(), dialer));
        client.io.say(b"\x05\x01\x02\x01\x03joe\x05wrong").await;
        client.io.hear(b"\x05\x02\x01\x01").await;
        client
            .io
            .say(&[b"\x01\x03joe\x06secret", CONNECT].concat())
            .await;
        client.io.hear_end().await;
        client.lingering_close().await.unwrap_err();
        assert!(dialled.recv().await.is_none());
    })
    .await;
}
