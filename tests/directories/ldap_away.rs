//! Servers that are away, silent, or come back; and logins that wait for one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::net::TcpSocket;
use tower_socks::{
    Refusal,
    error::AuthError,
    layer::auth::ldap::{Ldap, LdapError},
};

use crate::slapd::{Answer, BIND, EXTENDED, Slapd, bound, done, entry, log_in, result, tlv};

fn open(asked: &crate::slapd::Asked) -> Answer {
    match asked.tag {
        BIND => Answer::Say(vec![bound(0)]),
        _ => Answer::Say(vec![entry("uid=joe,dc=x", &[("uid", &["joe"])]), done(0)]),
    }
}

/// Where nobody listens for as long as the socket is there.
fn nobody() -> (String, TcpSocket) {
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = reserved.local_addr().unwrap();
    (format!("ldap://{address}"), reserved)
}

fn is_away(error: &tower_socks::BoxError) -> bool {
    let Some(AuthError::Verifier(source)) = error.downcast_ref() else {
        panic!("{error:?}");
    };
    source.downcast_ref::<LdapError>().unwrap().is_away()
}

#[tokio::test]
async fn the_next_server_is_asked_and_the_first_left_alone() {
    let slapd = Slapd::start(open).await;
    let (nobody, _reserved) = nobody();
    let ldap = Ldap::by_search([nobody.clone(), slapd.url()], "dc=x", "(uid={user})")
        .build()
        .unwrap();
    for _ in 0..3 {
        log_in(&ldap, "joe", "secret").await.unwrap();
    }
    let ldap = Ldap::by_dn([nobody], "uid={user},dc=x").build().unwrap();
    let error = log_in(&ldap, "joe", "secret").await.unwrap_err();
    assert!(is_away(&error));
    // A moment later it is not even tried.
    let error = log_in(&ldap, "joe", "secret").await.unwrap_err();
    let Some(AuthError::Verifier(source)) = error.downcast_ref() else {
        panic!("{error:?}");
    };
    assert!(
        source
            .to_string()
            .ends_with(": is away, and is asked again in some seconds")
    );
}

#[tokio::test]
async fn a_wrong_password_is_not_asked_of_another_server() {
    let first = Slapd::start(|_| Answer::Say(vec![bound(49)])).await;
    let second = Slapd::start(open).await;
    let servers = [first.url(), second.url()];
    let ldap = Ldap::by_dn(servers, "uid={user},dc=x").build().unwrap();
    let denied = log_in(&ldap, "joe", "secret").await.unwrap_err();
    assert!(matches!(denied.downcast_ref(), Some(AuthError::Denied)));
    assert!(second.asked().is_empty());
}

#[tokio::test]
async fn silence_ends_in_time_and_the_server_comes_back() {
    let silent = Arc::new(AtomicBool::new(true));
    let is_silent = Arc::clone(&silent);
    let slapd = Slapd::start(move |asked| match is_silent.load(Relaxed) {
        true => Answer::Silence,
        false => open(asked),
    })
    .await;
    let ldap = slapd
        .by_dn()
        .answer_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = log_in(&ldap, "joe", "secret").await.unwrap_err();
    assert!(is_away(&error));
    let Some(AuthError::Verifier(source)) = error.downcast_ref() else {
        panic!("{error:?}");
    };
    assert!(
        source
            .to_string()
            .ends_with("bind of a user: no answer in time"),
        "{source}"
    );
    silent.store(false, Relaxed);
    let since = Instant::now();
    while log_in(&ldap, "joe", "secret").await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // On a connection of its own: what comes late on the old one is nobody's answer.
    let asked = slapd.asked();
    assert_ne!(
        asked.first().unwrap().connection,
        asked.last().unwrap().connection
    );
}

#[tokio::test]
async fn a_connection_that_has_ended_is_replaced() {
    let slapd = Slapd::start(|asked| match open(asked) {
        Answer::Say(says) => Answer::SayAndClose(says),
        other => other,
    })
    .await;
    let ldap = slapd.by_search().build().unwrap();
    for _ in 0..3 {
        log_in(&ldap, "joe", "secret").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(slapd.asked().len(), 6);
}

#[tokio::test]
async fn start_tls_is_refused_or_forged() {
    let clear = result(0x78, 0);
    let message = tlv(0x30, &[b"\x02\x01\x01", &*clear].concat());
    // An answer of a bind behind it, in clear text.
    let forged = [message, tlv(0x30, &[b"\x02\x01\x02", &*bound(0)].concat())].concat();
    for (answer, expected) in [
        (None, "StartTLS: result (2) \"said so\""),
        (Some(forged), "what it sends is no LDAP"),
    ] {
        let slapd = Slapd::start(move |asked| {
            assert_eq!(asked.tag, EXTENDED, "nothing else goes in clear text");
            match &answer {
                None => Answer::Say(vec![result(0x78, 2)]),
                Some(octets) => Answer::Raw(octets.clone()),
            }
        })
        .await;
        let settings = tower_socks::tls::ClientSettings::new(authorities())
            .build()
            .unwrap();
        let ldap = slapd.by_dn().start_tls(true).tls(settings).build().unwrap();
        let error = log_in(&ldap, "joe", "secret").await.unwrap_err();
        let Some(AuthError::Verifier(source)) = error.downcast_ref() else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains(expected), "{source}");
        assert_eq!(slapd.asked().len(), 1);
    }
}

fn authorities() -> tower_socks::tls::Authorities {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    tower_socks::tls::Authorities::from_pem(own.cert.pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn logins_wait_for_a_turn_and_no_more_of_them_than_may() {
    let slapd = Slapd::start(|_| Answer::Silence).await;
    let ldap = slapd
        .by_dn()
        .connections(1)
        .waiting(1)
        .patience(Duration::from_millis(100))
        .answer_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let first = tokio::spawn({
        let ldap = ldap.clone();
        async move { log_in(&ldap, "joe", "secret").await }
    });
    while slapd.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    // One waits until its patience is over, and one more is refused at once.
    let looking = async { assert_eq!(ldap.queue(), (1, 1)) };
    let (waits, full, ()) = tokio::join!(
        log_in(&ldap, "joe", "secret"),
        log_in(&ldap, "joe", "secret"),
        looking
    );
    assert_eq!(ldap.queue(), (0, 1));
    for refused in [waits, full] {
        let error = refused.unwrap_err();
        assert!(error.downcast_ref::<Refusal>().is_some(), "{error:?}");
    }
    // Who goes away gives its turn to the next.
    let next = tokio::spawn({
        let ldap = ldap.clone();
        async move { log_in(&ldap, "jane", "secret").await }
    });
    tokio::task::yield_now().await;
    first.abort();
    while slapd.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    // Its connection was in the middle of a question, and is not used again.
    assert_eq!(slapd.asked().pop().unwrap().connection, 1);
    next.abort();
}
