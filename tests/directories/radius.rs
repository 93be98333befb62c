//! Users of RADIUS.

use std::time::Duration;

use tower_socks::{
    BoxError, Credentials,
    error::{AuthError, UnknownUser},
    layer::auth::radius::{GroupsFrom, Radius},
    session::Amounts,
};

use super::radius_server::{SECRET, Server, attribute, log_in};

fn is_denied(error: &BoxError) -> bool {
    matches!(error.downcast_ref(), Some(AuthError::Denied))
}

#[test]
fn mistakes_in_settings_are_said_and_secrets_are_not() {
    for (servers, secret, nas, problem) in [
        (&[][..], SECRET, "n", "there is no server"),
        (&["a"], "", "n", "the secret is empty"),
        (&["a:b"], SECRET, "n", "\"a:b\" is no server"),
        (&["a:0"], SECRET, "n", "is no server"),
        (&[""], SECRET, "n", "is no server"),
        (&["[::1"], SECRET, "n", "is no server"),
        (&["[::1]1812"], SECRET, "n", "is no server"),
        (&["a b"], SECRET, "n", "is no server"),
        (&["a"], SECRET, "", "NAS-Identifier has 1 to 253 octets"),
    ] {
        let builder = Radius::builder(servers.iter().copied(), secret).nas_identifier(nas);
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(problem), "{said}");
    }
    assert!(Radius::builder(["a"], SECRET).retries(11).build().is_err());
    assert!(
        Radius::builder(["a"], SECRET)
            .timeout(Duration::ZERO)
            .build()
            .is_err()
    );
    let servers = [
        "a.example",
        "[2001:db8::1]:1645",
        "fd00::1",
        "192.0.2.1",
        "10.0.0.1",
    ];
    let builder = Radius::builder(servers, SECRET);
    let radius = builder.clone().build().unwrap();
    assert!(!format!("{builder:?} {radius:?}").contains("secret"));
    let public: Vec<_> = radius.public().collect();
    assert_eq!(public, ["[2001:db8::1]:1645", "192.0.2.1:1812"]);
}

#[tokio::test]
async fn a_user_has_what_the_server_says() {
    let server = Server::start().await;
    let radius = server.builder().nas_identifier("proxy-1").build().unwrap();
    let serving = async {
        let packet = server.packet().await;
        assert_eq!(packet.octets[0], 1);
        assert!(packet.is_signed());
        assert_eq!(packet.text(1), Some("JOE"));
        assert_eq!(packet.password(), b"a password that takes two blocks");
        assert_eq!(packet.text(32), Some("proxy-1"));
        assert_eq!(packet.text(31), Some("192.0.2.7"));
        assert_eq!((packet.number(61), packet.number(6)), (Some(5), Some(1)));
        let attributes = [
            attribute(1, b"joe"),
            attribute(11, b"staff"),
            attribute(11, b"night"),
            attribute(11, b"staff"),
            attribute(11, b"\xff"),
            attribute(25, b"of joe"),
            attribute(62, &7u32.to_be_bytes()),
            attribute(
                26,
                b"\0\0\x37\x2a\x07\x06\0\x01\x38\x80\x08\x06\0\x02\x71\x00",
            ),
            attribute(26, b"\0\0\0\x09\x07\x06\0\0\0\x01"),
            attribute(200, b"whatever"),
        ];
        server
            .send(&packet.answer(2, &attributes.concat()), &packet)
            .await;
    };
    let log_in = log_in(&radius, "JOE", "a password that takes two blocks");
    let (joe, ()) = tokio::join!(log_in, serving);
    let joe = joe.unwrap();
    assert_eq!(joe.name(), Some(&b"joe"[..]));
    assert_eq!(joe.groups(), ["night", "staff"].map(Box::<str>::from));
    let amounts = Amounts::new().tunnels(7).upload(10_000).download(20_000);
    assert_eq!(Amounts::of(&joe), Some(&amounts));
}

#[tokio::test]
async fn groups_may_be_those_of_class() {
    let server = Server::start().await;
    let radius = server.builder().groups(GroupsFrom::Class).build().unwrap();
    let serving = async {
        let packet = server.packet().await;
        let attributes = [attribute(11, b"filter"), attribute(25, b"staff")].concat();
        server.send(&packet.answer(2, &attributes), &packet).await;
    };
    let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
    assert_eq!(joe.unwrap().groups(), [Box::<str>::from("staff")]);
}

#[tokio::test]
async fn a_no_and_a_challenge_are_denied_and_nobody_is_unknown() {
    let server = Server::start().await;
    let radius = server.builder().build().unwrap();
    for code in [3, 11] {
        let serving = async {
            let packet = server.packet().await;
            server
                .send(&packet.answer(code, &attribute(18, b"no")), &packet)
                .await;
        };
        let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
        let error = joe.unwrap_err();
        assert!(is_denied(&error) && !UnknownUser::is_in(&*error), "{error}");
    }
}

#[tokio::test]
async fn what_radius_cannot_say_is_not_asked() {
    let server = Server::start().await;
    let radius = server.builder().build().unwrap();
    let long = "x".repeat(129);
    for (name, password) in [
        ("joe", ""),
        ("", "secret"),
        ("joe", &*long),
        ("joe", "secret\0"),
        ("joe\0", "secret"),
        (&*"j".repeat(254), "secret"),
    ] {
        assert!(is_denied(
            &log_in(&radius, name, password).await.unwrap_err()
        ));
    }
    let mut octets = [0; 1];
    let nothing = server.socket.try_recv(&mut octets);
    assert_eq!(nothing.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    // 128 octets are asked about.
    let serving = async {
        let packet = server.packet().await;
        assert_eq!(packet.password().len(), 128);
        server.send(&packet.answer(2, b""), &packet).await;
    };
    let (joe, ()) = tokio::join!(log_in(&radius, "joe", &long[1..]), serving);
    joe.unwrap();
}

#[tokio::test]
async fn forged_answers_count_for_nothing_and_the_right_one_does() {
    let server = Server::start().await;
    let other = Server::start().await;
    let radius = server.builder().build().unwrap();
    let serving = async {
        let packet = server.packet().await;
        let staff = attribute(11, b"staff");
        let right = packet.answer(2, &staff);
        let mut forged = vec![Vec::new(), vec![2], right[..25].to_vec(), vec![0; 4096]];
        // Every octet of it counts.
        for at in 0..right.len() {
            let mut changed = right.clone();
            changed[at] ^= 1;
            forged.push(changed);
        }
        forged.push(packet.unsigned_answer(2, &staff));
        forged.push(packet.unsigned_answer(2, &[&staff[..], &[80, 18], &[7; 16]].concat()));
        // What is right, but no answer to this.
        forged.push(packet.answer(5, b""));
        for octets in forged {
            server.send(&octets, &packet).await;
        }
        other.send(&right, &packet).await;
        let evil = packet.answer(3, b"");
        other.send(&evil, &packet).await;
        server.send(&right, &packet).await;
    };
    let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
    assert_eq!(joe.unwrap().groups(), [Box::<str>::from("staff")]);
}

#[tokio::test]
async fn an_answer_that_is_not_signed_is_none_unless_that_is_allowed() {
    let server = Server::start().await;
    let builder = server
        .builder()
        .timeout(Duration::from_millis(50))
        .retries(0);
    let serving = async {
        let packet = server.packet().await;
        server.send(&packet.unsigned_answer(2, b""), &packet).await;
    };
    let radius = builder.clone().build().unwrap();
    let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
    let said = std::error::Error::source(&*joe.unwrap_err())
        .unwrap()
        .to_string();
    assert!(said.contains("Message-Authenticator"), "{said}");

    let serving = async {
        let packet = server.packet().await;
        server.send(&packet.unsigned_answer(2, b""), &packet).await;
    };
    let radius = server.builder().unsigned_answers(true).build().unwrap();
    let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
    joe.unwrap();
}

#[tokio::test]
async fn a_packet_is_sent_again_as_it_was_and_then_the_next_server_is_asked() {
    let (first, second) = (Server::start().await, Server::start().await);
    let radius = Radius::builder([first.address(), second.address()], SECRET)
        .timeout(Duration::from_millis(50))
        .retries(2)
        .build()
        .unwrap();
    let serving = async {
        let packet = first.packet().await;
        for _ in 0..2 {
            let again = first.packet().await;
            assert_eq!((&again.octets, again.from), (&packet.octets, packet.from));
        }
        let next = second.packet().await;
        assert_ne!(next.octets[4..20], packet.octets[4..20]);
        second.send(&next.answer(2, b""), &next).await;
    };
    let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
    joe.unwrap();
    // It is left alone.
    let serving = async {
        let packet = second.packet().await;
        second.send(&packet.answer(2, b""), &packet).await;
    };
    let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
    joe.unwrap();
    let nothing = first.socket.try_recv(&mut [0; 1]);
    assert_eq!(nothing.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_and_has_no_secret_in_it() {
    let server = Server::start().await;
    let address = server.address();
    drop(server);
    let radius = Radius::builder([address.clone()], SECRET).build().unwrap();
    let error = log_in(&radius, "joe", "pa55word").await.unwrap_err();
    let said = format!(
        "{error:?} {error} {}",
        std::error::Error::source(&*error).unwrap()
    );
    assert!(said.contains(&address), "{said}");
    assert!(
        !said.contains("pa55word") && !said.contains(SECRET),
        "{said}"
    );
    let away = log_in(&radius, "joe", "pa55word").await.unwrap_err();
    let said = std::error::Error::source(&*away).unwrap().to_string();
    assert!(said.contains("is away"), "{said}");
}

#[tokio::test]
async fn logins_beyond_what_is_verified_at_once_wait_and_are_refused() {
    use tower::ServiceExt;
    let server = Server::start().await;
    let radius = server
        .builder()
        .at_once(1)
        .waiting(1)
        .patience(Duration::from_millis(50))
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let first = tokio::spawn(
        radius
            .clone()
            .oneshot(Credentials::new("joe", "secret").unwrap()),
    );
    let packet = server.packet().await;
    assert_eq!(radius.queue(), (0, 1));
    let looking = async { assert_eq!(radius.queue(), (1, 1)) };
    let (refused, ()) = tokio::join!(log_in(&radius, "jane", "secret"), looking);
    let refused = refused.unwrap_err();
    assert_eq!(radius.queue(), (0, 1));
    assert!(
        refused.to_string().contains("too many verifications"),
        "{refused}"
    );
    // One that is dropped gives its place up.
    first.abort();
    _ = first.await;
    server.send(&packet.answer(2, b""), &packet).await;
    let serving = async {
        let packet = server.packet().await;
        server.send(&packet.answer(2, b""), &packet).await;
    };
    let (jane, ()) = tokio::join!(log_in(&radius, "jane", "secret"), serving);
    jane.unwrap();
}
