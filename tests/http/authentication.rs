//! H3: names and passwords, by the verifier of RFC 1929.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::io::AsyncWriteExt;
use tower::{Layer, ServiceBuilder};
use tower_service::Service;
use tower_socks::{
    AuthLayer, Credentials, Identity, NoAuth, UserPass,
    error::{AuthError, Step},
    layer::{http::HttpLayer, limit::FailedLoginsLayer},
};

use super::{CONNECTED, head, page, stack};
use crate::support::{Client, Script, targets::targets, within, within_an_hour};

/// Knows joe, whose password is "secret:1", and counts questions.
fn joe(
    asked: &Arc<AtomicUsize>,
) -> UserPass<
    impl Service<Credentials, Response = Identity, Error = AuthError, Future: Send>
    + Clone
    + Send
    + Sync
    + use<>,
> {
    let asked = Arc::clone(asked);
    UserPass::new(tower::service_fn(move |credentials: Credentials| {
        asked.fetch_add(1, Ordering::Relaxed);
        let right =
            (credentials.name(), credentials.password().as_bytes()) == (b"joe", b"secret:1");
        std::future::ready(match right {
            true => Ok(Identity::named("joe")),
            false => Err(AuthError::Denied),
        })
    }))
}

/// joe:secret:1, and joe:wrong.
const RIGHT: &str = "Basic am9lOnNlY3JldDox";
const WRONG: &str = "Basic am9lOndyb25n";

fn connect(authorization: &str) -> String {
    match authorization {
        "" => "CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n".to_owned(),
        _ => format!(
            "CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\nProxy-Authorization: {authorization}\r\n\r\n"
        ),
    }
}

#[tokio::test(start_paused = true)]
async fn h3_407_keeps_the_connection() {
    within(async {
        let (dialer, mut dialled) = targets();
        let asked = Arc::default();
        let mut client = Client::new(stack(joe(&asked), dialer));
        for refused in [
            "",
            WRONG,
            "Bearer x",
            "Basic !",
            "Basic am9l",
            "Basic",
            "Digest username=joe",
            "Basic am9lOnNlY3JldDo",
        ] {
            client.io.say(connect(refused).as_bytes()).await;
            let head = head(&mut client.io).await;
            assert!(
                head.starts_with("HTTP/1.1 407 Proxy Authentication Required\r\n"),
                "{head}"
            );
            assert!(
                head.contains("proxy-authenticate: Basic realm=\"proxy\", charset=\"UTF-8\"\r\n"),
                "{head}"
            );
            assert!(!head.contains("connection: close"), "{head}");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap();
            let mut text = vec![0; length.parse().unwrap()];
            tokio::io::AsyncReadExt::read_exact(&mut client.io, &mut text)
                .await
                .unwrap();
        }
        assert!(dialled.try_recv().is_err());
        client.io.say(connect(RIGHT).as_bytes()).await;
        client.io.hear(CONNECTED).await;
        let (request, _) = dialled.recv().await.unwrap();
        assert_eq!(request.identity.name(), Some(&b"joe"[..]));
        assert_eq!(
            asked.load(Ordering::Relaxed),
            2,
            "what is no password is not verified"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h3_a_body_that_nobody_reads_ends_the_connection() {
    within(async {
        let (dialer, _) = targets();
        let mut client = Client::new(stack(joe(&Arc::default()), dialer));
        client
            .io
            .say(b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n")
            .await;
        let head = head(&mut client.io).await;
        assert!(
            head.starts_with("HTTP/1.1 407 ") && head.contains("connection: close\r\n"),
            "{head}"
        );
        client.io.hear_rest().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_name_and_password_are_verified_once_a_minute_and_whenever_they_change() {
    within_an_hour(async {
        let (dialer, mut dialled) = targets();
        let asked = Arc::default();
        let mut client = Client::new(stack(joe(&asked), dialer));
        let mut get = async |authorization: &str, status: &str| {
            client
                .io
                .say(
                    format!(
                        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: {authorization}\r\n\r\n"
                    )
                    .as_bytes(),
                )
                .await;
            if status == "200" {
                let (_, mut origin) = dialled.recv().await.unwrap();
                assert!(!head(&mut origin).await.contains("authorization"));
                origin.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                head(&mut client.io).await;
            } else {
                page(&mut client.io).await;
                assert!(dialled.try_recv().is_err());
            }
        };
        for _ in 0..3 {
            get(RIGHT, "200").await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        get(WRONG, "407").await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        get(RIGHT, "200").await;
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        for _ in 0..2 {
            tokio::time::sleep(std::time::Duration::from_secs(31)).await;
            get(RIGHT, "200").await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h3_failed_logins_count_with_those_of_socks5() {
    within(async {
        let (dialer, _) = targets();
        let below = ServiceBuilder::new()
            .layer(FailedLoginsLayer::new())
            .layer(AuthLayer::new(joe(&Arc::default())))
            .service(dialer);
        // Four by SOCKS5 cost no time.
        for _ in 0..4 {
            let mut client = Client::new(tower_socks::HandshakeLayer::new().layer(below.clone()));
            client.io.say(b"\x05\x01\x02\x01\x03joe\x05wrong").await;
            client.io.hear(b"\x05\x02\x01\x01").await;
        }
        let began = tokio::time::Instant::now();
        let mut client = Client::new(HttpLayer::new().layer(below));
        client.io.say(connect(WRONG).as_bytes()).await;
        let (line, ..) = page(&mut client.io).await;
        assert_eq!(line, "HTTP/1.1 407 Proxy Authentication Required");
        assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn h3_all_rounds_share_one_deadline() {
    within(async {
        let (dialer, _) = targets();
        let mut client = Client::new(stack(joe(&Arc::default()), dialer));
        let began = tokio::time::Instant::now();
        for _ in 0..4 {
            client.io.say(connect("").as_bytes()).await;
            page(&mut client.io).await;
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
        client.io.hear_end().await;
        assert_eq!(began.elapsed().as_secs(), 10);
        assert!(client.outcome().await.is_err());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_without_the_right_password_has_failed_to_log_in() {
    within(async {
        let (dialer, _) = targets();
        let mut client = Client::new(stack(joe(&Arc::default()), dialer));
        client.io.say(connect(WRONG).as_bytes()).await;
        page(&mut client.io).await;
        client.io.shutdown().await.unwrap();
        client.io.hear_end().await;
        let error = client.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Authentication);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_authentication_what_is_stated_does_not_matter() {
    within(async {
        for authorization in ["", RIGHT, "Bearer x"] {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(connect(authorization).as_bytes()).await;
            client.io.hear(CONNECTED).await;
            assert_eq!(dialled.recv().await.unwrap().0.identity.name(), None);
        }
    })
    .await;
}
