//! Names that would mean something in a filter or a DN, and spellings of one name.

use tower::ServiceExt;
use tower_socks::{Credentials, error::UnknownUser, layer::auth::ldap::Ldap};

use crate::slapd::{Answer, BIND, SEARCH, Slapd, bound, done, entry, log_in, tlv};

/// Finds nobody, and lets nobody bind.
async fn empty() -> Slapd {
    Slapd::start(|asked| match asked.tag {
        BIND => Answer::Say(vec![bound(49)]),
        _ => Answer::Say(vec![done(0)]),
    })
    .await
}

#[tokio::test]
async fn a_name_is_a_value_in_filters() {
    let slapd = empty().await;
    let ldap = slapd.by_search().build().unwrap();
    for name in [
        "*",
        "*)(uid=*",
        "joe)(|(uid=*",
        "\\2a",
        "{dn}",
        "j\u{f6}e",
        "a\u{1}b",
    ] {
        let unknown = log_in(&ldap, name, "secret").await.unwrap_err();
        assert!(UnknownUser::is_in(&*unknown));
        let asked = slapd.asked();
        let search = asked.iter().rfind(|asked| asked.tag == SEARCH).unwrap();
        // Equality of uid with the name, octet by octet.
        let value = [tlv(4, b"uid"), tlv(4, name.as_bytes())].concat();
        assert!(search.has(&tlv(0xa3, &value)), "{name}");
    }
}

#[tokio::test]
async fn a_name_is_a_value_in_dns() {
    let slapd = empty().await;
    let ldap = slapd.by_dn().build().unwrap();
    for (name, dn) in [
        ("joe", "uid=joe,dc=x"),
        ("joe,dc=y", "uid=joe\\,dc\\=y,dc=x"),
        ("a+b", "uid=a\\+b,dc=x"),
        ("#a", "uid=\\#a,dc=x"),
        (" a ", "uid=\\ a\\ ,dc=x"),
        (" ", "uid=\\ ,dc=x"),
        ("a b", "uid=a b,dc=x"),
        ("\\", "uid=\\\\,dc=x"),
        ("\"<a>;", "uid=\\\"\\<a\\>\\;,dc=x"),
        ("a\nb", "uid=a\\0ab,dc=x"),
        ("{user}", "uid={user},dc=x"),
        ("\u{f6}", "uid=\u{f6},dc=x"),
    ] {
        log_in(&ldap, name, "secret").await.unwrap_err();
        let bind = slapd.asked().pop().unwrap();
        assert!(
            bind.has(&tlv(4, dn.as_bytes())),
            "{name}: {}",
            bind.content.escape_ascii()
        );
    }
}

#[tokio::test]
async fn names_that_are_no_text_are_nobodys() {
    let slapd = empty().await;
    let ldap = slapd.by_search().build().unwrap();
    for name in [&b"\xff"[..], b"a\0b", b"\0"] {
        let credentials = Credentials::new(name, "secret").unwrap();
        let unknown = ldap.clone().oneshot(credentials).await.unwrap_err();
        assert!(UnknownUser::is_in(&*unknown));
    }
    assert!(slapd.asked().is_empty());
}

#[tokio::test]
async fn the_identity_has_the_name_of_the_directory() {
    let slapd = Slapd::start(|asked| match asked.tag {
        BIND => Answer::Say(vec![bound(0)]),
        _ => Answer::Say(vec![
            entry("uid=x,dc=x", &[("UID", &["joseph", "joe"])]),
            done(0),
        ]),
    })
    .await;
    for ldap in [
        slapd.by_search().build().unwrap(),
        slapd.by_dn().build().unwrap(),
    ] {
        for name in ["joe", "JOE", "joe ", " jo e", "joseph"] {
            // Limits and rules by user know one user by all of these.
            assert_eq!(
                log_in(&ldap, name, "secret").await.unwrap().name(),
                Some(&b"joe"[..])
            );
        }
    }
}

#[tokio::test]
async fn without_an_entry_to_read_a_name_has_one_spelling() {
    let slapd = Slapd::start(|asked| match asked.tag {
        BIND => Answer::Say(vec![bound(0)]),
        _ => Answer::Say(vec![done(32)]),
    })
    .await;
    let ldap = slapd.by_dn().build().unwrap();
    for name in ["joe", "joe.doe-1_2@x"] {
        assert_eq!(
            log_in(&ldap, name, "secret").await.unwrap().to_string(),
            name
        );
    }
    for name in ["JOE", "joe ", "j\u{f6}e", "joe,", "j  e"] {
        let unknown = log_in(&ldap, name, "secret").await.unwrap_err();
        assert!(UnknownUser::is_in(&*unknown), "{name}");
    }
}

#[tokio::test]
async fn filters_as_they_are_written() {
    let slapd = empty().await;
    let user = tlv(4, b"joe");
    let attribute = |name: &str| tlv(4, name.as_bytes());
    for (filter, encoded) in [
        (
            "(uid={user})",
            tlv(0xa3, &[attribute("uid"), user.clone()].concat()),
        ),
        (
            "(mail={user}@x\\2a)",
            tlv(0xa3, &[attribute("mail"), tlv(4, b"joe@x*")].concat()),
        ),
        (
            "(a>={user})",
            tlv(0xa5, &[attribute("a"), user.clone()].concat()),
        ),
        (
            "(a<={user})",
            tlv(0xa6, &[attribute("a"), user.clone()].concat()),
        ),
        (
            "(a~={user})",
            tlv(0xa8, &[attribute("a"), user.clone()].concat()),
        ),
        (
            "(a=x*{user}*y*z)",
            tlv(
                0xa4,
                &[
                    attribute("a"),
                    tlv(0x30, b"\x80\x01x\x81\x03joe\x81\x01y\x82\x01z"),
                ]
                .concat(),
            ),
        ),
        (
            "(a={user}*)",
            tlv(0xa4, &[attribute("a"), tlv(0x30, b"\x80\x03joe")].concat()),
        ),
        (
            "(memberOf:1.2.840:={user})",
            tlv(0xa9, b"\x81\x07\x31.2.840\x82\x08memberOf\x83\x03joe"),
        ),
        (
            "(ou:dn:={user})",
            tlv(0xa9, b"\x82\x02ou\x83\x03joe\x84\x01\xff"),
        ),
        (
            "(|(!(a=*))(uid={user}))",
            tlv(
                0xa1,
                &[
                    tlv(0xa2, &tlv(0x87, b"a")),
                    tlv(0xa3, &[attribute("uid"), user.clone()].concat()),
                ]
                .concat(),
            ),
        ),
    ] {
        let ldap = Ldap::by_search([slapd.url()], "dc=x", filter)
            .build()
            .unwrap();
        log_in(&ldap, "joe", "secret").await.unwrap_err();
        let asked = slapd.asked();
        let search = asked.iter().rfind(|asked| asked.tag == SEARCH).unwrap();
        assert!(
            search.has(&encoded),
            "{filter}: {}",
            search.content.escape_ascii()
        );
    }
}
