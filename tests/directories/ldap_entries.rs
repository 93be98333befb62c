//! Entries, groups and amounts, and answers that cannot be used.

use tower_socks::{BoxError, error::AuthError, layer::auth::ldap::LdapBuilder};

use crate::slapd::{Answer, BIND, Slapd, bound, done, entry, log_in, tlv};

/// Has these responses for searches, and lets everybody bind.
async fn answering(responses: Vec<Vec<u8>>) -> Slapd {
    Slapd::start(move |asked| match asked.tag {
        BIND => Answer::Say(vec![bound(0)]),
        _ => Answer::Say(responses.clone()),
    })
    .await
}

async fn fails(builder: LdapBuilder) -> String {
    let error: BoxError = log_in(&builder.build().unwrap(), "joe", "secret")
        .await
        .unwrap_err();
    match error.downcast_ref() {
        Some(AuthError::Verifier(source)) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_the_operators() {
    let joe = |attributes: &[(&str, &[&str])]| entry("uid=joe,dc=x", attributes);
    let many: Vec<String> = (0..1025)
        .map(|number| format!("cn=g{number},dc=x"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = "g".repeat(257);
    for (responses, expected) in [
        (
            vec![
                joe(&[("uid", &["joe"])]),
                joe(&[("uid", &["joe"])]),
                done(0),
            ],
            "two entries fit the name \"joe\"",
        ),
        (
            vec![
                joe(&[("uid", &["joe"])]),
                joe(&[("uid", &["joe"])]),
                done(4),
            ],
            "two entries fit the name \"joe\"",
        ),
        (
            vec![done(32)],
            "search of a user: noSuchObject (32) \"said so\"",
        ),
        (
            vec![done(50)],
            "search of a user: insufficientAccessRights (50)",
        ),
        (
            vec![done(10)],
            "it refers to another server, which is not followed",
        ),
        (
            vec![joe(&[]), done(0)],
            "the entry of \"joe\" has no uid that may be read",
        ),
        (
            vec![joe(&[("uid", &[""])]), done(0)],
            "the uid of \"joe\" is no name",
        ),
        (
            vec![entry("", &[("uid", &["joe"])]), done(0)],
            "an entry without a DN",
        ),
        (
            vec![joe(&[("uid", &["joe"]), ("quota", &["lots"])]), done(0)],
            "quota, for tunnels: ",
        ),
        (
            vec![joe(&[("uid", &["joe"]), ("memberOf", &many)]), done(0)],
            "\"joe\" is in more than 1024 groups",
        ),
        (
            vec![joe(&[("uid", &["joe"]), ("memberOf", &[&long])]), done(0)],
            "more than 256 octets",
        ),
    ] {
        let slapd = answering(responses).await;
        let builder = slapd
            .by_search()
            .groups_attribute("memberOf")
            .amount("tunnels", "quota");
        let said = fails(builder).await;
        assert!(
            said.starts_with(&format!("LDAP server {}: ", slapd.url())),
            "{said}"
        );
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_service_account_that_cannot_bind_is_said() {
    let slapd = Slapd::start(|_| Answer::Say(vec![bound(49)])).await;
    let said = fails(slapd.by_search().account("cn=proxy", "wrong")).await;
    assert!(
        said.ends_with("bind of the service account: invalidCredentials (49) \"said so\""),
        "{said}"
    );
    // It is not the server's fault, and the next login asks again.
    fails(slapd.by_search().account("cn=proxy", "wrong")).await;
    assert_eq!(slapd.asked().len(), 2);
}

#[tokio::test]
async fn groups_by_attribute_and_by_search() {
    let slapd = Slapd::start(|asked| match asked.tag {
        BIND => Answer::Say(vec![bound(0)]),
        _ if asked.has(b"\x04\x06member\x04\x0cuid=joe,dc=x") => Answer::Say(vec![
            entry("cn=night,ou=groups,dc=x", &[("cn", &["night"])]),
            // Of another place, where everybody may make groups.
            entry("cn=admins,ou=own,dc=x", &[("cn", &["admins"])]),
            // Another server would know more.
            tlv(0x73, &tlv(4, b"ldap://a.example/dc=x")),
            done(0),
        ]),
        _ => Answer::Say(vec![
            entry(
                "uid=joe,dc=x",
                &[
                    ("uid", &["joe"]),
                    (
                        "memberOf",
                        &[
                            "cn=staff,ou=groups,dc=x",
                            "CN=Day Shift , OU=Groups , DC=X",
                            "cn=root,ou=own,dc=x",
                            // No space: it is part of the name.
                            "cn= \u{a0}staff,ou=groups,dc=x",
                            "cn=a\\2cou=groups,dc=x",
                            "ou=groups,dc=x",
                            "cn=#0401,ou=groups,dc=x",
                            "plain",
                        ],
                    ),
                ],
            ),
            done(0),
        ]),
    })
    .await;
    let groups = async |builder: LdapBuilder| {
        let joe = log_in(&builder.build().unwrap(), "joe", "secret")
            .await
            .unwrap();
        joe.groups().join("|")
    };
    let by_attribute = slapd.by_search().groups_attribute("memberOf");
    assert_eq!(groups(slapd.by_search()).await, "");
    assert_eq!(
        groups(by_attribute.clone()).await,
        "Day Shift|a,ou=groups|cn=#0401,ou=groups,dc=x|groups|plain|root|staff|\u{a0}staff"
    );
    let by_attribute = by_attribute.groups_below("ou=groups,dc=x");
    assert_eq!(
        groups(by_attribute.clone()).await,
        "Day Shift|staff|\u{a0}staff"
    );
    let both = by_attribute.groups("dc=x", "(member={dn})");
    assert_eq!(groups(both).await, "Day Shift|night|staff|\u{a0}staff");
}

#[tokio::test]
async fn codes_of_a_bind() {
    for (code, expected) in [
        (19, "wrong name or password"),
        (48, "wrong name or password"),
        (49, "wrong name or password"),
        (53, "wrong name or password"),
        (32, "wrong name or password"),
        (34, "wrong name or password"),
        (
            13,
            "bind of a user: confidentialityRequired (13) \"said so\"; it wants TLS",
        ),
        (50, "bind of a user: insufficientAccessRights (50)"),
        (80, "bind of a user: result (80)"),
        (51, "bind of a user: busy (51)"),
    ] {
        let slapd = Slapd::start(move |_| Answer::Say(vec![bound(code)])).await;
        let ldap = slapd.by_dn().build().unwrap();
        let error = log_in(&ldap, "joe", "secret").await.unwrap_err();
        let said = match error.downcast_ref() {
            Some(AuthError::Verifier(source)) => source.to_string(),
            _ => error.to_string(),
        };
        assert!(said.contains(expected), "{code}: {said}");
    }
}

#[tokio::test]
async fn garbage_and_floods_end_the_connection() {
    let header = |len: &[u8]| [b"\x30", len].concat();
    let nested = (0..2000).fold(Vec::new(), |inside, _| tlv(0x30, &inside));
    for (raw, expected) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "what it sends is no LDAP",
        ),
        // A gigabyte, announced.
        (header(b"\x84\x40\x00\x00\x00"), "what it sends is no LDAP"),
        (header(b"\x80"), "what it sends is no LDAP"),
        (
            header(b"\x89\x01\x01\x01\x01\x01\x01\x01\x01\x01"),
            "what it sends is no LDAP",
        ),
        (b"\x3f\x81\x01\x00".to_vec(), "what it sends is no LDAP"),
        (tlv(0x30, &nested), "what it sends is no LDAP"),
        (tlv(0x30, b""), "what it sends is no LDAP"),
        (tlv(0x30, b"\x02\x01\x01"), "what it sends is no LDAP"),
        // An inner length beyond the outer one.
        (
            tlv(0x30, b"\x02\x01\x01\x61\x20\x0a\x01\x00"),
            "what it sends is no LDAP",
        ),
        // An answer to another question, and a notice of disconnection.
        (
            tlv(0x30, &[b"\x02\x01\x07", &*bound(0)].concat()),
            "what it sends is no LDAP",
        ),
        (
            tlv(0x30, &[b"\x02\x01\x00", &*bound(0)].concat()),
            "what it sends is no LDAP",
        ),
        // An answer of another kind.
        (
            tlv(0x30, &[b"\x02\x01\x01", &*done(0)].concat()),
            "what it sends is no LDAP",
        ),
        (
            tlv(0x30, b"\x02\x01\x01\x61\x07\x0a\x01\xff\x04\x00\x04\x00"),
            "what it sends is no LDAP",
        ),
    ] {
        let answer = raw.clone();
        let slapd = Slapd::start(move |_| Answer::Raw(answer.clone())).await;
        let said = fails(slapd.by_dn()).await;
        assert!(said.contains(expected), "{}: {said}", raw.escape_ascii());
    }
    // Entries without end.
    let entries = vec![entry("uid=joe,dc=x", &[("uid", &["x".repeat(60_000).as_str()])]); 20];
    let slapd = answering(entries).await;
    assert!(fails(slapd.by_search()).await.contains("more than 1 MiB"));
}
