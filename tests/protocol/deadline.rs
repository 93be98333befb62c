//! S7: greeting, authentication and request share one absolute deadline.

use std::{error::Error, future::pending, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};
use tower::{Layer, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Credentials, HandshakeLayer, Identity, NoAuth, SessionError, UserPass,
    Users, error::Step,
};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, stack,
    targets::{slow_targets, targets},
    within,
};

const SECOND: Duration = Duration::from_secs(1);

fn joe() -> UserPass<Users> {
    UserPass::new([("joe", "secret")].into_iter().collect())
}

/// Sends a byte each second for as long as the server is there, and hears what it says until it
/// closes. Answers when that was.
async fn dribble(mut client: Client, bytes: &[u8]) -> (Duration, SessionError) {
    let started = Instant::now();
    let (mut read, mut write) = tokio::io::split(&mut client.io);
    let closed = async {
        let mut byte = [0];
        while read.read(&mut byte).await.unwrap() > 0 {}
        started.elapsed()
    };
    let dribble = async {
        for byte in bytes {
            sleep(SECOND).await;
            write.write_all(&[*byte]).await.unwrap();
        }
        pending().await
    };
    let closed = tokio::select! {
        biased;
        closed = closed => closed,
        () = dribble => unreachable!(),
    };
    let outcome = client.outcome().await;
    (closed, outcome.unwrap_err())
}

/// At the limit, give or take the tick of the timer.
fn is_about(elapsed: Duration, limit: Duration) -> bool {
    (limit..=limit + Duration::from_millis(5)).contains(&elapsed)
}

#[tokio::test(start_paused = true)]
async fn s7_a_dribbled_greeting_ends_at_ten_seconds() {
    within(async {
        let (dialer, _) = targets();
        let client = Client::new(stack(NoAuth, dialer));
        let greeting: Vec<u8> = [5, 255].into_iter().chain(0..=254).collect();
        let (closed, error) = dribble(client, &greeting).await;
        assert!(is_about(closed, 10 * SECOND), "{closed:?}");
        assert_eq!(error.step(), Step::Greeting);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_a_silent_client_ends_at_ten_seconds() {
    within(async {
        let (dialer, _) = targets();
        let (closed, error) = dribble(Client::new(stack(NoAuth, dialer)), b"").await;
        assert!(is_about(closed, 10 * SECOND), "{closed:?}");
        assert_eq!(error.step(), Step::Greeting);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_dribbled_credentials_end_at_ten_seconds() {
    within(async {
        let (dialer, _) = targets();
        let mut client = Client::new(stack(joe(), dialer));
        client.io.say(b"\x05\x01\x02").await;
        client.io.hear(b"\x05\x02").await;
        let credentials = b"\x01\x20joe, whose name is very, very long\x06secret";
        let (closed, error) = dribble(client, credentials).await;
        assert!(is_about(closed, 10 * SECOND), "{closed:?}");
        assert_eq!(error.step(), Step::Authentication);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_a_dribbled_request_ends_at_ten_seconds() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(HELLO).await;
        client.io.hear(HELLO_OK).await;
        let request = b"\x05\x01\x00\x03\x0bexample.com\x00\x50";
        let (closed, error) = dribble(client, request).await;
        assert!(is_about(closed, 10 * SECOND), "{closed:?}");
        assert_eq!(error.step(), Step::Request);
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_the_steps_share_one_deadline() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(joe(), dialer));
        let started = Instant::now();
        sleep(4 * SECOND).await;
        client.io.say(b"\x05\x01\x02").await;
        client.io.hear(b"\x05\x02").await;
        sleep(4 * SECOND).await;
        client.io.say(b"\x01\x03joe\x06secret").await;
        client.io.hear(b"\x01\x00").await;
        // None of the steps took ten seconds.
        client.io.say(&CONNECT[..5]).await;
        client.io.hear_end().await;
        assert!(is_about(started.elapsed(), 10 * SECOND));
        let error = client.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Request);
        let source = error.source().unwrap();
        assert!(source.is::<tokio::time::error::Elapsed>());
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_the_time_of_the_verifier_counts() {
    within(async {
        let asleep = service_fn(|_: Credentials| pending::<Result<Identity, BoxError>>());
        let (dialer, _) = targets();
        let mut client = Client::new(stack(UserPass::new(asleep), dialer));
        let started = Instant::now();
        client.io.say(b"\x05\x01\x02\x01\x03joe\x06secret").await;
        client.io.hear(b"\x05\x02").await;
        client.io.hear_end().await;
        assert!(is_about(started.elapsed(), 10 * SECOND));
        let error = client.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Authentication);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_the_deadline_is_the_layers() {
    within(async {
        let (dialer, _) = targets();
        let stack = HandshakeLayer::new()
            .deadline(3 * SECOND)
            .layer(AuthLayer::new(NoAuth).layer(dialer));
        let (closed, _) = dribble(Client::new(stack), b"\x05\xff\x00\x00\x00\x00\x00").await;
        assert!(is_about(closed, 3 * SECOND), "{closed:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_a_client_may_take_its_time_within_the_deadline() {
    within(async {
        let (dialer, _dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(HELLO).await;
        sleep(9 * SECOND).await;
        client.io.say(CONNECT).await;
        client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s7_dial_and_relay_have_time_of_their_own() {
    let limit = tokio::time::timeout(600 * SECOND, async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        sleep(60 * SECOND).await;
        gate.add_permits(1);
        client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        sleep(60 * SECOND).await;
        client.io.say(b"still here").await;
        target.hear(b"still here").await;
    });
    limit.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn r8_a_malformed_request_at_the_last_moment_gets_its_reply() {
    within(async {
        let mut client = Client::new(stack(NoAuth, targets().0));
        client.io.say(HELLO).await;
        client.io.hear(HELLO_OK).await;
        sleep(Duration::from_millis(9_999)).await;
        client.io.say(b"\x05\x01\x00\x09").await;
        client.io.hear(&crate::support::failure(8)).await;
        // The deadline passes while the client has not closed yet.
        sleep(SECOND).await;
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.step(), Step::Request);
        assert!(crate::support::texts(&error).contains("0x09"), "{error:?}");
    })
    .await;
}
