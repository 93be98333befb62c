//! Logins by LDAP: requests octet by octet, and what is made of answers.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower_socks::{
    error::{AuthError, UnknownUser},
    layer::auth::ldap::Ldap,
    session::Amounts,
};

use crate::slapd::{Answer, BIND, SEARCH, Slapd, bound, done, entry, log_in};

/// Knows joe, whose password is `secret`, and a service account.
pub(crate) async fn company() -> Slapd {
    Slapd::start(|asked| match asked.tag {
        BIND if asked.has(b"cn=proxy") => Answer::Say(vec![bound(0)]),
        BIND if asked.has(b"uid=joe,dc=x") && asked.has(b"\x80\x06secret") => {
            Answer::Say(vec![bound(0)])
        }
        BIND => Answer::Say(vec![bound(49)]),
        SEARCH if asked.has(b"\x04\x03joe") => {
            Answer::Say(vec![entry("uid=joe,dc=x", &[("uid", &["joe"])]), done(0)])
        }
        _ => Answer::Say(vec![done(0)]),
    })
    .await
}

#[tokio::test]
async fn a_login_octet_by_octet() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let server = async {
        let (mut searching, _) = listener.accept().await.unwrap();
        let mut said = async |octets: &[u8], answer: &[u8]| {
            let mut read = vec![0; octets.len()];
            searching.read_exact(&mut read).await.unwrap();
            assert_eq!(
                read.escape_ascii().to_string(),
                octets.escape_ascii().to_string()
            );
            searching.write_all(answer).await.unwrap();
        };
        // 1: the service account binds, by version 3.
        said(
            b"\x30\x13\x02\x01\x01\x60\x0e\x02\x01\x03\x04\x04cn=p\x80\x03key",
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
        )
        .await;
        // 2: a search below dc=x, no aliases, two entries at most, (&(a=*)(uid=joe)), for uid, memberOf and quota.
        said(
            b"\x30\x43\x02\x01\x02\x63\x3e\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x02\x02\x01\x00\x01\x01\x00\
              \xa0\x0f\x87\x01a\xa3\x0a\x04\x03uid\x04\x03joe\
              \x30\x16\x04\x03uid\x04\x08memberOf\x04\x05quota",
            b"\x30\x5e\x02\x01\x02\x64\x59\x04\x09uid=j,c=x\x30\x4c\
              \x30\x0c\x04\x03uid\x31\x05\x04\x03joe\
              \x30\x2d\x04\x08memberOf\x31\x21\x04\x0ccn=staff,c=x\x04\x11cn=Night\\2cX,ou=g\
              \x30\x0d\x04\x05quota\x31\x04\x04\x0215\
              \x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
        )
        .await;
        let (mut binding, _) = listener.accept().await.unwrap();
        // 1, of another connection: joe binds.
        let bind = b"\x30\x1b\x02\x01\x01\x60\x16\x02\x01\x03\x04\x09uid=j,c=x\x80\x06secret";
        let mut read = vec![0; bind.len()];
        binding.read_exact(&mut read).await.unwrap();
        assert_eq!(
            read.escape_ascii().to_string(),
            bind.escape_ascii().to_string()
        );
        let answer = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
        // In two parts.
        binding.write_all(&answer[..5]).await.unwrap();
        tokio::task::yield_now().await;
        binding.write_all(&answer[5..]).await.unwrap();
        (searching, binding)
    };
    let ldap = Ldap::by_search([url], "dc=x", "(&(a=*)(uid={user}))")
        .account("cn=p", "key")
        .groups_attribute("memberOf")
        .amount("tunnels", "quota")
        .build()
        .unwrap();
    let (_open, joe) = tokio::join!(server, log_in(&ldap, "joe", "secret"));
    let joe = joe.unwrap();
    assert_eq!(joe.name(), Some(&b"joe"[..]));
    let groups: Vec<_> = joe.groups().iter().map(|group| &**group).collect();
    assert_eq!(groups, ["Night,X", "staff"]);
    assert_eq!(Amounts::of(&joe), Some(&Amounts::new().tunnels(15)));
}

#[tokio::test]
async fn wrong_passwords_are_denied_and_unknown_names_are_left_to_others() {
    let slapd = company().await;
    for ldap in [
        slapd.by_search().account("cn=proxy", "p").build().unwrap(),
        slapd.by_search().build().unwrap(),
    ] {
        assert_eq!(
            log_in(&ldap, "joe", "secret").await.unwrap().to_string(),
            "joe"
        );
        let wrong = log_in(&ldap, "joe", "hidden").await.unwrap_err();
        assert!(matches!(wrong.downcast_ref(), Some(AuthError::Denied)));
        assert!(!UnknownUser::is_in(&*wrong));
        let before = slapd.asked().len();
        let unknown = log_in(&ldap, "jane", "secret").await.unwrap_err();
        assert!(UnknownUser::is_in(&*unknown));
        assert_eq!(unknown.to_string(), wrong.to_string());
        // As many questions as for one who is there.
        assert_eq!(slapd.asked().len() - before, 2);
    }
}

#[tokio::test]
async fn nobody_binds_without_a_password() {
    // It would let everybody in.
    let slapd = Slapd::start(|_| Answer::Say(vec![bound(0)])).await;
    let ldap = slapd.by_dn().build().unwrap();
    for password in ["", "\0", "secret\0", "\0secret"] {
        let denied = log_in(&ldap, "joe", password).await.unwrap_err();
        assert!(matches!(denied.downcast_ref(), Some(AuthError::Denied)));
    }
    assert!(slapd.asked().is_empty());
}

#[tokio::test]
async fn connections_are_kept_and_users_do_not_search() {
    let slapd = company().await;
    let ldap = slapd.by_search().account("cn=proxy", "p").build().unwrap();
    for _ in 0..3 {
        log_in(&ldap, "joe", "secret").await.unwrap();
    }
    let asked = slapd.asked();
    let questions: Vec<_> = asked
        .iter()
        .map(|asked| (asked.connection, asked.tag))
        .collect();
    // One connection searches, by the service account; the other one binds.
    let login = [(0, SEARCH), (1, BIND)];
    assert_eq!(questions, [vec![(0, BIND)], login.repeat(3)].concat());
}

#[tokio::test]
async fn who_is_gone_is_known_without_a_password() {
    let slapd = company().await;
    let ldap = slapd.by_search().account("cn=proxy", "p").build().unwrap();
    assert_eq!(ldap.knows("joe").await.unwrap(), Some(true));
    assert_eq!(ldap.knows("jane").await.unwrap(), Some(false));
    assert_eq!(ldap.knows("a\0").await.unwrap(), Some(false));
    // By DN, nobody may look without an account.
    assert_eq!(
        slapd.by_dn().build().unwrap().knows("joe").await.unwrap(),
        None
    );
    assert!(
        slapd
            .by_dn()
            .account("cn=proxy", "p")
            .build()
            .unwrap()
            .knows("joe")
            .await
            .is_ok()
    );
}

#[test]
fn mistakes_in_settings_are_said() {
    let by_dn = |dn: &str| Ldap::by_dn(["ldap://127.0.0.1"], dn);
    let by_search = |base: &str, filter: &str| Ldap::by_search(["ldap://127.0.0.1"], base, filter);
    for (builder, problem) in [
        (
            Ldap::by_dn(Vec::<String>::new(), "uid={user}"),
            "there is no server",
        ),
        (
            Ldap::by_dn(["http://x"], "uid={user}"),
            "`http://x` is no LDAP server",
        ),
        (
            Ldap::by_dn(["ldap://"], "uid={user}"),
            "`ldap://` has no host",
        ),
        (
            Ldap::by_dn(["ldap://a/dc=x"], "uid={user}"),
            "has more than a host and a port",
        ),
        (
            Ldap::by_dn(["ldap://joe@a"], "uid={user}"),
            "has more than a host and a port",
        ),
        (by_dn("uid={user},ou=people dc=x,y"), "is no DN"),
        (by_dn("uid=joe,dc=x"), "has no {user}"),
        (by_search("x", "(uid={user})"), "is no DN"),
        (
            by_search("dc=x", "uid={user}"),
            "does not begin with a parenthesis",
        ),
        (
            by_search("dc=x", "(uid={user}"),
            "a parenthesis is not closed",
        ),
        (
            by_search("dc=x", "(uid={user}))"),
            "`)` is behind the last parenthesis",
        ),
        (by_search("dc=x", "(&)"), "there is nothing in"),
        (by_search("dc=x", "(uid={name})"), "has a brace"),
        (
            by_search("dc=x", "(uid={user}\\2)"),
            "two hexadecimal digits",
        ),
        (by_search("dc=x", "(uid=joe)"), "has no {user}"),
        (
            by_search("dc=x", "(uid=**)"),
            "nothing between the asterisks",
        ),
        (by_search("dc=x", "({user}=a)"), "is no attribute"),
        (
            by_search(
                "dc=x",
                &format!("{}(uid={{user}}){}", "(!".repeat(17), ")".repeat(17)),
            ),
            "more than 16",
        ),
        (
            by_dn("uid={user}").account("cn=p", ""),
            "it would be nobody",
        ),
        (
            by_dn("uid={user}").amount("tunnel", "t"),
            "`tunnel` is unknown: they are tunnels",
        ),
        (by_dn("uid={user}").groups_below("staff"), "is no DN"),
        (
            by_dn("uid={user}").groups("dc=x", "(member=a)"),
            "has no {user}",
        ),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn passwords_are_not_shown_and_clear_text_is() {
    let servers = [
        "ldap://127.0.0.1",
        "ldap://[::1]:3389",
        "ldap://localhost",
        "ldap://a.example",
        "ldap://10.0.0.1:390",
    ];
    let builder = Ldap::by_dn(servers, "uid={user}").account("cn=p", "s3cret");
    assert!(!format!("{builder:?}").contains("s3cret"));
    let ldap = builder.build().unwrap();
    assert!(!format!("{ldap:?}").contains("s3cret"));
    let clear: Vec<_> = ldap.clear_text().collect();
    assert_eq!(clear, ["ldap://a.example:389", "ldap://10.0.0.1:390"]);
}
