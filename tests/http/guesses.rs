//! What the log and the end of a connection say of clients that guess passwords.

use tokio::io::AsyncWriteExt;
use tower_socks::{UserPass, Users, error::Step};
use tracing::Level;

use super::{head, page, stack};
use crate::support::{Client, Script, log::Log, targets::targets, within};

/// joe:secret, joe:guess, and jane:guess.
const RIGHT: &str = "Basic am9lOnNlY3JldA==";
const JOES: &str = "Basic am9lOmd1ZXNz";
const JANES: &str = "Basic amFuZTpndWVzcw==";
const WRONG: &str = "wrong name or password";

fn client() -> Client {
    let users: Users = [("joe", "secret")].into_iter().collect();
    Client::new(stack(UserPass::new(users), targets().0))
}

fn request(authorization: &str) -> String {
    match authorization {
        "" => "GET http://192.0.2.1/ HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".to_owned(),
        _ => format!(
            "GET http://192.0.2.1/ HTTP/1.1\r\nHost: 192.0.2.1\r\nProxy-Authorization: {authorization}\r\n\r\n"
        ),
    }
}

/// The lines about wrong passwords.
fn wrong(log: &Log) -> Vec<String> {
    let text = log.take();
    assert!(!text.contains("guess"), "{text}");
    let lines = text.lines().filter(|line| line.contains(WRONG));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_guess_has_a_line_whatever_follows() {
    within(async {
        let (log, _guard) = Log::start(Level::INFO);
        let mut client = client();
        for authorization in ["", JOES, JANES, ""] {
            client.io.say(request(authorization).as_bytes()).await;
            page(&mut client.io).await;
        }
        // The last one is there once it is known that nothing right follows at once.
        let lines = wrong(&log);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("INFO"), "{lines:?}");
        assert!(
            lines[0].contains("login ended outcome=refused"),
            "{lines:?}"
        );
        assert!(lines[0].contains(r#"name "joe""#), "{lines:?}");
        client.io.say(request(RIGHT).as_bytes()).await;
        let lines = loop {
            match wrong(&log) {
                lines if lines.is_empty() => tokio::task::yield_now().await,
                lines => break lines,
            }
        };
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(r#"name "jane""#), "{lines:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_guesses_and_says_no_more_has_guessed() {
    within(async {
        let (log, _guard) = Log::start(Level::INFO);
        let mut client = client();
        for authorization in [JOES, ""] {
            client.io.say(request(authorization).as_bytes()).await;
            head(&mut client.io).await;
        }
        // Not even an end: the deadline passes.
        let error = client.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Authentication);
        let lines = wrong(&log);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("session ended"), "{lines:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_guesses_and_then_talks_nonsense_has_guessed() {
    within(async {
        let (log, _guard) = Log::start(Level::INFO);
        let mut client = client();
        client.io.say(request(JOES).as_bytes()).await;
        page(&mut client.io).await;
        client.io.say(b"GET / HTTP/1.1\r\n\r\n").await;
        client.io.shutdown().await.unwrap();
        page(&mut client.io).await;
        let error = client.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Request);
        let lines = wrong(&log);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("login ended"), "{lines:?}");
    })
    .await;
}
