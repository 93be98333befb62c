//! The line that a session leaves in the log: its level says whose fault it was.

use std::{io, time::Duration};

use tower::service_fn;
use tower_socks::{
    BoxError, Credentials, Identity, NoAuth, Refusal, UserPass, Users, error::AuthError,
    proto::ReplyCode,
};
use tracing::Level;

use crate::support::{
    CONNECT, Client, HELLO, PEER, Script, exchange,
    log::Log,
    stack,
    targets::{failing, targets},
};

/// The line about the end of the only session.
fn line(log: &Log) -> String {
    let text = log.text();
    let mut lines = text.lines().filter(|line| line.contains("session ended"));
    let line = lines.next().unwrap_or_else(|| panic!("no line in {text}"));
    assert_eq!(lines.next(), None);
    line.trim_start().to_owned()
}

fn assert_line(line: &str, level: &str, parts: &[&str]) {
    assert!(line.starts_with(level), "{line}");
    for part in parts {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_relayed_is_info_with_everything_about_it() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(NoAuth, dialer)).connected().await;
    let (_, mut target) = dialled.recv().await.unwrap();
    client.io.say(b"four").await;
    target.hear(b"four").await;
    target.say(b"sixsix").await;
    client.io.hear(b"sixsix").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    drop(target);
    client.lingering_close().await.unwrap();
    let peer = format!("peer={PEER}");
    assert_line(
        &line(&log),
        "INFO",
        &[
            &peer,
            "user=-",
            "command=CONNECT",
            "target=192.0.2.1:80",
            "outcome=done",
            "up=4",
            "down=6",
            "duration=3",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_broke_is_info_with_its_bytes() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(NoAuth, dialer)).connected().await;
    let (_, mut target) = dialled.recv().await.unwrap();
    client.io.say(b"four").await;
    target.hear(b"four").await;
    // Nothing moves until the idle limit.
    client.outcome().await.unwrap_err();
    let parts = [
        "outcome=broken",
        "up=4",
        "down=0",
        "idle for 2h 4m (idle_timeout)",
    ];
    assert_line(&line(&log), "INFO", &parts);
}

#[tokio::test(start_paused = true)]
async fn what_anybody_can_do_is_debug() {
    for (said, parts) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &["greeting", "HTTP client"][..],
        ),
        (b"\x05\x00", &["greeting", "acceptable"]),
        (b"\x05\x01\x00\x05\x01\x00\x09", &["request", "0x09"]),
    ] {
        let (log, _guard) = Log::start(Level::DEBUG);
        exchange(stack(NoAuth, targets().0), said).await;
        assert_line(&line(&log), "DEBUG", parts);
    }
    // Too slow.
    let (log, _guard) = Log::start(Level::DEBUG);
    let mut client = Client::new(stack(NoAuth, targets().0));
    client.outcome().await.unwrap_err();
    assert_line(&line(&log), "DEBUG", &["greeting failed"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_is_info() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let users: Users = [("joe", "secret")].into_iter().collect();
    let guess = b"\x05\x01\x02\x01\x03joe\x05guess";
    exchange(stack(UserPass::new(users), targets().0), guess).await;
    assert_line(
        &line(&log),
        "INFO",
        &[
            "outcome=refused",
            r#"error=authentication failed: name "joe": wrong name or password"#,
        ],
    );
    assert!(!log.text().contains("guess"), "{}", log.text());

    let (log, _guard) = Log::start(Level::DEBUG);
    let forbidding = failing(|| Refusal::not_allowed("no mail"));
    exchange(stack(NoAuth, forbidding), &[HELLO, CONNECT].concat()).await;
    assert_line(
        &line(&log),
        "INFO",
        &["outcome=refused", "no mail", "target=192.0.2.1:80"],
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_reached_is_info() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let unreachable = failing(|| io::Error::from(io::ErrorKind::HostUnreachable));
    exchange(stack(NoAuth, unreachable), &[HELLO, CONNECT].concat()).await;
    assert_line(
        &line(&log),
        "INFO",
        &["outcome=unreachable", "host unreachable"],
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_our_own_fault_is_a_warning() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let broken = service_fn(async |_: Credentials| -> Result<Identity, BoxError> {
        Err("the database is on fire".into())
    });
    let said = b"\x05\x01\x02\x01\x03joe\x06secret";
    exchange(stack(UserPass::new(broken), targets().0), said).await;
    assert_line(
        &line(&log),
        "WARN",
        &["outcome=failed", "name \"joe\"", "on fire"],
    );

    let (log, _guard) = Log::start(Level::DEBUG);
    // EMFILE.
    let exhausted = failing(|| io::Error::from_raw_os_error(24));
    exchange(stack(NoAuth, exhausted), &[HELLO, CONNECT].concat()).await;
    assert_line(&line(&log), "WARN", &["outcome=failed"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_tried_is_escaped_and_cut_off() {
    let users: Users = [("joe", "secret")].into_iter().collect();
    let long = [b'n'; 65];
    let full = format!("name \"{}\": wrong", "n".repeat(64));
    let cut = format!("name \"{}\"...: wrong", "n".repeat(64));
    let umlauts = "ä".repeat(65);
    let cut_umlauts = format!("name \"{}\"...: wrong", "ä".repeat(64));
    for (name, shown) in [
        (
            &b"joe\nWARN \"hacked"[..],
            r#"name "joe\nWARN \"hacked": wrong"#,
        ),
        (b"\xff\x1b", r#"name "\xff\x1b": wrong"#),
        (&long[..64], &full),
        (&long, &cut),
        (umlauts.as_bytes(), &cut_umlauts),
        (b"", r#"name "": wrong"#),
    ] {
        let (log, _guard) = Log::start(Level::DEBUG);
        let mut said = b"\x05\x01\x02\x01".to_vec();
        said.push(name.len() as u8);
        said.extend(name);
        said.extend(b"\x05guess");
        exchange(stack(UserPass::new(users.clone()), targets().0), &said).await;
        assert_line(&line(&log), "INFO", &["outcome=refused", shown]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_cannot_forge_a_line() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let anyone = service_fn(async |credentials: Credentials| {
        Ok::<_, AuthError>(Identity::named(credentials.name()))
    });
    let refusing = failing(|| Refusal::new(ReplyCode::GENERAL_FAILURE, "no"));
    let mut said = b"\x05\x01\x02\x01\x0fjoe\nWARN hacked\x01x".to_vec();
    said.extend(CONNECT);
    exchange(stack(UserPass::new(anyone), refusing), &said).await;
    assert_line(&line(&log), "WARN", &[r"user=joe\nWARN hacked"]);
}
