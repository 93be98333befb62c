//! U6: passwords show up nowhere, and the time of a comparison tells nothing.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::io::DuplexStream;
use tower::{Layer, Service, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Credentials, Identity, SessionError, UserPass, Users,
    error::{AuthError, FailedAttempt},
    io::PrefixedStream,
    layer::auth::Authenticate,
    proto,
};

use crate::support::{CONNECT, Client, Script, log::Log, stack, targets::targets, texts, within};

const SECRET: &str = "correct horse battery staple";
const GUESS: &str = "wrong donkey capacitor nail";

fn assert_silent(text: &str) {
    for secret in [SECRET, GUESS] {
        assert!(!text.contains(secret), "{text}");
        // As a list of octets, in either base, or escaped.
        for octets in [
            format!("{:?}", secret.as_bytes()),
            format!("{:x?}", secret.as_bytes()),
        ] {
            assert!(!text.contains(octets.trim_matches(['[', ']'])), "{text}");
        }
    }
}

async fn log_in<A>(auth: A, name: &str, password: &str, status: u8) -> Result<(), SessionError>
where
    A: Authenticate<PrefixedStream<DuplexStream>> + 'static,
{
    let (dialer, dialled) = targets();
    let mut client = Client::new(stack(auth, dialer));
    let credentials = proto::Credentials::new(name, password).unwrap().encode();
    client
        .io
        .say(&[b"\x05\x01\x02", &*credentials, CONNECT].concat())
        .await;
    client.io.hear(&[5, 2, 1, status]).await;
    // The target leaves too, if there is one.
    drop(dialled);
    client.lingering_close().await.map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn u6_passwords_reach_no_log_and_no_error() {
    let log = Log::of_process();
    within(async {
        let users: Users = [("logged-joe", SECRET)].into_iter().collect();
        let auth = UserPass::new(users);
        let _ = log_in(auth.clone(), "logged-joe", SECRET, 0).await;
        let error = log_in(auth.clone(), "logged-joe", GUESS, 1)
            .await
            .unwrap_err();
        assert_silent(&texts(&error));
        let error = log_in(auth, "logged-jane", SECRET, 1).await.unwrap_err();
        assert_silent(&texts(&error));

        // A verifier of somebody's own that fails is quoted, and its input is not.
        let broken = service_fn(async |_: Credentials| {
            Err::<Identity, _>(BoxError::from("database on fire"))
        });
        let error = log_in(UserPass::new(broken), "logged-jim", SECRET, 1)
            .await
            .unwrap_err();
        assert!(texts(&error).contains("database on fire"));
        assert_silent(&texts(&error));
    })
    .await;
    let text = log.text();
    // There is something to be read.
    assert!(
        text.contains("logged-joe") && text.contains("database on fire"),
        "{text}"
    );
    assert_silent(&text);
}

#[tokio::test(start_paused = true)]
async fn u6_a_frame_that_is_cut_or_garbled_is_not_quoted() {
    let log = Log::of_process();
    within(async {
        let credentials = proto::Credentials::new("cut-joe", SECRET).unwrap().encode();
        let garbled = [&[9], &credentials[1..]].concat();
        for said in [&credentials[..credentials.len() - 1], &garbled] {
            let (dialer, _) = targets();
            let users: Users = [("cut-joe", SECRET)].into_iter().collect();
            let mut client = Client::new(stack(UserPass::new(users), dialer));
            client.io.say(&[b"\x05\x01\x02", said].concat()).await;
            client.io.hear(b"\x05\x02").await;
            let error = client.lingering_close().await.unwrap_err();
            assert_silent(&texts(&error));
        }
    })
    .await;
    assert_silent(&log.text());
}

#[test]
fn u6_nothing_that_holds_a_password_shows_it() {
    let users: Users = [("joe", SECRET)].into_iter().collect();
    let sent = proto::Credentials::new("joe", SECRET).unwrap();
    let credentials = Credentials::from(sent.clone());
    let auth = UserPass::new(users.clone());
    let layer = AuthLayer::new(auth.clone());
    let shown = [
        format!("{users:?} {users:#?}"),
        format!(
            "{credentials:?} {credentials:#?} {:?}",
            credentials.password()
        ),
        format!("{auth:?} {auth:#?} {layer:?}"),
        format!("{:?}", layer.layer(())),
        format!("{sent:?} {sent:#?} {:?}", sent.encode()),
        format!("{:?}", AuthError::Denied),
        format!("{:?}", FailedAttempt::new("joe", AuthError::Denied)),
    ];
    for text in shown {
        assert_silent(&text);
    }
}

#[test]
fn u6_users_from_a_file_with_a_bad_password_do_not_quote_it() {
    let long = SECRET.repeat(10);
    let error = serde_json::from_str::<Users>(&format!(r#"{{"joe": "{long}"}}"#)).unwrap_err();
    assert!(error.to_string().contains("joe"));
    assert_silent(&texts(&error));
}

/// The least time of many, which is what the machine can do when nothing disturbs it.
fn least_time(users: &mut Users, credentials: &Credentials, least: &mut Duration) {
    let credentials = credentials.clone();
    let started = Instant::now();
    let verified = users.call(black_box(credentials)).now_or_never();
    *least = started.elapsed().min(*least);
    black_box(verified.is_some());
}

#[test]
fn u6_unknown_users_wrong_passwords_and_right_ones_take_the_same_time() {
    let right = [b'p'; 255];
    let mut wrong = right;
    wrong[0] = b'x';
    let mut users: Users = [("joe", right)].into_iter().collect();
    let attempts = [
        Credentials::new("joe", right).unwrap(),
        Credentials::new("joe", wrong).unwrap(),
        Credentials::new("joe", "x").unwrap(),
        Credentials::new("eoj", right).unwrap(),
        Credentials::new("eoj", "x").unwrap(),
    ];
    // One quiet moment suffices, and a busy machine gets several chances to have it.
    let mut least = [Duration::MAX; 5];
    for _ in 0..50 {
        for _ in 0..400 {
            for (credentials, least) in attempts.iter().zip(&mut least) {
                least_time(&mut users, credentials, least);
            }
        }
        let (fastest, slowest) = (least.iter().min().unwrap(), least.iter().max().unwrap());
        if *slowest < *fastest * 2 {
            return;
        }
    }
    panic!("right, wrong, wrong and short, unknown, unknown and short took {least:?}");
}
