//! Authentication by GSS-API (RFC 1961), octet by octet, over a mechanism whose tokens are written out.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt, sync::mpsc::UnboundedReceiver, time::Instant};
use tower_socks::{
    Identity, UserPass, Users,
    error::{Fault, Step},
    layer::auth::Gssapi,
    proto::ProtectionLevel,
    session::Request,
};
use tracing::Level;

use crate::support::{
    CONNECT, CONNECTED, Client, Script,
    gssapi::{Mock, Sealed, TICKET, WELCOME, framed},
    log::Log,
    stack,
    targets::targets,
    texts, within,
};

const OFFER: &[u8] = b"\x05\x01\x01";
const SELECTED: &[u8] = b"\x05\x01";
const ABORT: &[u8] = b"\x01\xff";

const LEVELS: [(ProtectionLevel, bool); 3] = [
    (ProtectionLevel::INTEGRITY, false),
    (ProtectionLevel::CONFIDENTIALITY, true),
    (ProtectionLevel::SELECTIVE, true),
];

type Dialled = UnboundedReceiver<(Request, tokio::io::DuplexStream)>;

fn any_level() -> Gssapi<Mock> {
    Gssapi::new(Mock::default()).levels(LEVELS.map(|(level, _)| level))
}

fn serve(method: Gssapi<Mock>) -> (Client, Dialled) {
    let (dialer, dialled) = targets();
    (Client::new(stack(method, dialer)), dialled)
}

/// What a client says up to its request and data behind it, and what it hears, with the context behind that.
fn dialogue(level: u8, encrypts: bool) -> (Vec<u8>, Vec<u8>, Sealed, Sealed) {
    let mut client = Sealed::of_client();
    let mut server = Sealed::new(false, &Mock::default());
    let said = [
        OFFER,
        &framed(1, TICKET),
        &client.level(level),
        &client.data(encrypts, CONNECT),
    ]
    .concat();
    let heard = [
        SELECTED,
        &framed(1, WELCOME),
        &server.level(level),
        &server.data(encrypts, CONNECTED),
    ]
    .concat();
    (said, heard, client, server)
}

#[tokio::test(start_paused = true)]
async fn everything_behind_the_sub_negotiation_is_encapsulated_at_each_level() {
    for (level, encrypts) in LEVELS {
        within(async {
            let (mut session, mut dialled) = serve(any_level());
            let (said, heard, mut client, mut server) = dialogue(level.0, encrypts);
            session.io.say(&said).await;
            session.io.hear(&heard).await;

            let (request, mut target) = dialled.recv().await.unwrap();
            assert_eq!(request.identity.name(), Some(&b"joe@REALM"[..]));
            session.io.say(&client.data(encrypts, b"ping")).await;
            target.hear(b"ping").await;
            target.say(b"pong").await;
            session.io.hear(&server.data(encrypts, b"pong")).await;
            session.io.shutdown().await.unwrap();
            target.hear_end().await;
            drop(target);
            session.io.hear_end().await;
            session.outcome().await.unwrap();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_any_pieces() {
    let (said, heard, ..) = dialogue(2, true);
    for cut in 1..said.len() {
        within(async {
            let (mut session, _dialled) = serve(any_level());
            let (first, second) = said.split_at(cut);
            session.io.say(first).await;
            crate::support::settle().await;
            session.io.say(second).await;
            session.io.hear(&heard).await;
        })
        .await;
    }
    within(async {
        let (mut session, _dialled) = serve(any_level());
        session.io.say_bytewise(&said).await;
        session.io.hear(&heard).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_with_nothing_left_to_say_sends_a_length_of_0() {
    within(async {
        let silent = Mock {
            silent: true,
            ..Mock::default()
        };
        let (mut session, _dialled) = serve(Gssapi::new(silent));
        session.io.say(&[OFFER, &framed(1, TICKET)].concat()).await;
        session.io.hear(b"\x05\x01\x01\x01\x00\x00").await;
    })
    .await;
}

/// Says what is behind the greeting, and hears so much before the refusal. Nothing is dialled.
async fn refused(method: Gssapi<Mock>, said: &[u8], heard: &[u8]) -> (Fault, String) {
    within(async {
        let (mut session, mut dialled) = serve(method);
        let (.., mut client, _) = dialogue(2, true);
        let behind = client.data(true, CONNECT);
        session.io.say(&[OFFER, said, &behind].concat()).await;
        let expected = [SELECTED, heard, ABORT].concat();
        assert_eq!(session.io.hear_rest().await, expected);
        let error = session.lingering_close().await.unwrap_err();
        assert_eq!(error.step(), Step::Authentication);
        assert!(dialled.recv().await.is_none());
        (error.fault(), texts(&error))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_client_that_proves_nothing_hears_01_ff_and_the_log_says_why() {
    for (token, fault, reason) in [
        (&b"expired"[..], Fault::Refused, "ticket expired"),
        (b"", Fault::Refused, "no ticket"),
        (b"keytab", Fault::Server, "no key in /etc/krb5.keytab"),
        (b"panic", Fault::Server, "the mechanism panicked"),
        (b"ticket ", Fault::Refused, "it has no name"),
    ] {
        let (log, _guard) = Log::start(Level::INFO);
        let (whose, text) = refused(any_level(), &framed(1, token), b"").await;
        assert_eq!(whose, fault, "{text}");
        assert!(text.contains(reason), "{text}");
        assert!(log.text().contains(reason), "{}", log.text());
    }
}

#[tokio::test(start_paused = true)]
async fn eight_tokens_are_taken_and_no_ninth() {
    let (more, go_on) = (framed(1, b"more"), framed(1, b"go on"));
    within(async {
        let (mut session, _dialled) = serve(any_level());
        session.io.say(OFFER).await;
        session.io.hear(SELECTED).await;
        for _ in 0..7 {
            session.io.say(&more).await;
            session.io.hear(&go_on).await;
        }
        session.io.say(&framed(1, TICKET)).await;
        session.io.hear(&framed(1, WELCOME)).await;
    })
    .await;
    let (fault, text) = refused(any_level(), &more.repeat(9), &go_on.repeat(7)).await;
    assert_eq!(fault, Fault::Refused);
    assert!(text.contains("no context after 8 tokens"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_due_is_refused_as_soon_as_it_shows() {
    for said in [
        // Data and a level before the context, an abort, other versions and types.
        &b"\x01\x03\xff\xff"[..],
        b"\x01\x02\x00\x01\x01",
        b"\x01\xff",
        b"\x05\x01\x00\x01",
        b"\x01\x04\x00\x00",
    ] {
        let (fault, text) = refused(any_level(), said, b"").await;
        assert_eq!(fault, Fault::Client, "{text}");
    }
    // And in place of a level.
    let mut other = Sealed::of_client();
    let changed = {
        let mut level = Sealed::of_client().level(2);
        *level.last_mut().unwrap() ^= 1;
        level
    };
    let own = framed(2, &[0; 2]);
    let long = framed(
        2,
        &tower_socks::gssapi::Context::wrap(&mut other, false, b"\x02\x02").unwrap(),
    );
    for level in [
        &b"\x01\x01\x00\x00"[..],
        &changed,
        &own,
        &long,
        b"\x01\x02\x00\x00",
    ] {
        let said = [&framed(1, TICKET), level].concat();
        let (fault, text) = refused(any_level(), &said, &framed(1, WELCOME)).await;
        assert_ne!(fault, Fault::Server, "{text}");
        // Who it was is known by then.
        assert!(text.contains("joe@REALM"), "{text}");
    }
}

/// Which level rules: `None` for a refusal.
async fn rules(method: Gssapi<Mock>, asked: u8) -> Option<u8> {
    within(async {
        let (mut session, _dialled) = serve(method);
        let mut client = Sealed::of_client();
        let said = [OFFER, &framed(1, TICKET), &client.level(asked)].concat();
        session.io.say(&said).await;
        session.io.hear(SELECTED).await;
        session.io.hear(&framed(1, WELCOME)).await;
        let mut kind = [0; 2];
        tokio::io::AsyncReadExt::read_exact(&mut session.io, &mut kind)
            .await
            .unwrap();
        if kind == *ABORT {
            session.io.hear_end().await;
            return None;
        }
        assert_eq!(kind, [1, 2]);
        let mut rest = [0; 13];
        tokio::io::AsyncReadExt::read_exact(&mut session.io, &mut rest)
            .await
            .unwrap();
        let level = client.opens(&[&kind[..], &rest].concat(), false);
        assert_eq!(level.len(), 1);
        level.first().copied()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn the_server_answers_with_what_it_allows() {
    use ProtectionLevel as L;
    const BOTH: &[L] = &[L::CONFIDENTIALITY, L::INTEGRITY];
    const OTHER: &[L] = &[L::INTEGRITY, L::CONFIDENTIALITY];
    const SECRET: &[L] = &[L::CONFIDENTIALITY];
    const ALL: &[L] = &[
        L::SELECTIVE,
        L::INTEGRITY,
        L::CONFIDENTIALITY,
        L::CLEAR,
        L(9),
    ];
    // Allowed, clear, whether it can encrypt, and the answers to 0, 1, 2, 3 and 7.
    type Case = (&'static [L], bool, bool, [Option<u8>; 5]);
    let two = Some(2);
    #[rustfmt::skip]
    let cases: [Case; 9] = [
        (BOTH, false, true, [two, Some(1), two, two, two]),
        (OTHER, false, true, [Some(1), Some(1), two, Some(1), Some(1)]),
        (SECRET, false, true, [two; 5]),
        (ALL, false, true, [Some(3), Some(1), two, Some(3), Some(3)]),
        (BOTH, true, true, [Some(0), Some(1), two, two, two]),
        (&[], true, true, [Some(0); 5]),
        (&[], false, true, [None; 5]),
        // It cannot encrypt.
        (BOTH, false, false, [Some(1); 5]),
        (SECRET, false, false, [None; 5]),
    ];
    for (allowed, clear, encrypts, answers) in cases {
        for (asked, answer) in [0, 1, 2, 3, 7].into_iter().zip(answers) {
            let mock = Mock {
                plain: !encrypts,
                ..Mock::default()
            };
            let mut method = Gssapi::new(mock).levels(allowed.iter().copied());
            if clear {
                method = method.allow_clear();
            }
            let case = (allowed, clear, encrypts, asked);
            assert_eq!(rules(method, asked).await, answer, "{case:?}");
        }
    }
    // Unless told otherwise.
    let method = || Gssapi::new(Mock::default());
    assert_eq!(rules(method(), 0).await, two);
    assert_eq!(rules(method(), 1).await, Some(1));
    assert_eq!(rules(method(), 3).await, two);
}

#[tokio::test(start_paused = true)]
async fn at_level_0_nothing_is_encapsulated() {
    within(async {
        let (mut session, mut dialled) = serve(Gssapi::new(Mock::default()).allow_clear());
        let mut client = Sealed::of_client();
        let mut server = Sealed::new(false, &Mock::default());
        let ticket = framed(1, TICKET);
        let said = [OFFER, &ticket, &client.level(0), CONNECT, b"early"].concat();
        session.io.say(&said).await;
        session.io.hear(SELECTED).await;
        session.io.hear(&framed(1, WELCOME)).await;
        session.io.hear(&server.level(0)).await;
        session.io.hear(CONNECTED).await;
        let (request, mut target) = dialled.recv().await.unwrap();
        assert_eq!(request.identity.name(), Some(&b"joe@REALM"[..]));
        target.hear(b"early").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_level_that_is_not_protected_is_taken_by_name_alone() {
    let ticket = framed(1, TICKET);
    for level in [0, 1, 2] {
        let said = [&ticket[..], b"\x01\x02\x00\x01", &[level]].concat();
        let (fault, text) = refused(any_level().allow_clear(), &said, &framed(1, WELCOME)).await;
        assert_eq!(fault, Fault::Refused);
        assert!(text.contains("not protected"), "{text}");
    }
    for (asked, answer) in [(2, 2), (1, 1), (0, 2)] {
        within(async {
            let method = Gssapi::new(Mock::default()).allow_nec();
            let (mut session, _dialled) = serve(method);
            let said = [OFFER, &ticket, b"\x01\x02\x00\x01", &[asked]].concat();
            session.io.say(&said).await;
            session.io.hear(SELECTED).await;
            session.io.hear(&framed(1, WELCOME)).await;
            session.io.hear(&[1, 2, 0, 1, answer]).await;
            // The first message that is wrapped.
            let encrypts = answer == 2;
            let request = Sealed::of_client().data(encrypts, CONNECT);
            session.io.say(&request).await;
            let reply = Sealed::new(false, &Mock::default()).data(encrypts, CONNECTED);
            session.io.hear(&reply).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_message_ends_the_session_and_nothing_of_it_reaches_the_target() {
    for sequence in [false, true] {
        for kind in ["changed", "replayed", "in clear", "lost"] {
            if kind == "lost" && !sequence {
                continue; // nobody can tell
            }
            within(async {
                let mock = Mock {
                    sequence,
                    ..Mock::default()
                };
                let (mut session, mut dialled) = serve(Gssapi::new(mock));
                let (said, heard, mut client, _) = dialogue(2, true);
                session.io.say(&said).await;
                session.io.hear(&heard).await;
                let (_, mut target) = dialled.recv().await.unwrap();
                let good = client.data(true, b"good");
                let bad = match kind {
                    "changed" => {
                        let mut bad = client.data(true, b"evil");
                        bad[12] ^= 1;
                        bad
                    }
                    "replayed" => good.clone(),
                    "lost" => {
                        client.data(true, b"lost");
                        client.data(true, b"evil")
                    }
                    _ => client.data(false, b"evil"),
                };
                let behind = client.data(true, b"behind");
                session.io.say(&[good, bad, behind].concat()).await;
                assert_eq!(target.hear_rest().await, b"good", "{kind}");
                drop(target);
                let error = session.outcome().await.unwrap_err();
                assert_eq!((error.step(), error.fault()), (Step::Relay, Fault::Client));
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_a_client_is_is_said_by_a_closure() {
    let method = || {
        any_level().identity(|principal| match principal.split_once('@') {
            Some((user, "REALM")) => Ok(Identity::named(user).with_groups(["staff"])),
            _ => Err("of another realm".into()),
        })
    };
    within(async {
        let (mut session, mut dialled) = serve(method());
        let (said, heard, ..) = dialogue(1, false);
        session.io.say(&said).await;
        session.io.hear(&heard).await;
        let (request, _) = dialled.recv().await.unwrap();
        assert_eq!(request.identity.name(), Some(&b"joe"[..]));
        assert_eq!(&*request.identity.groups()[0], "staff");
    })
    .await;
    let said = framed(1, b"ticket eve@ELSEWHERE\n");
    let (fault, text) = refused(method(), &said, b"").await;
    assert_eq!(fault, Fault::Refused);
    assert!(text.contains(r#"name "eve@ELSEWHERE\n""#), "{text}");
    assert!(text.contains("of another realm"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn it_stands_beside_passwords_in_order_of_preference() {
    let users = || UserPass::new([("joe", "secret")].into_iter().collect::<Users>());
    for (offer, selected) in [
        (&b"\x05\x02\x01\x02"[..], 1),
        (b"\x05\x01\x02", 2),
        (OFFER, 1),
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut session = Client::new(stack((any_level(), users()), dialer));
            session.io.say(offer).await;
            session.io.hear(&[5, selected]).await;
            if selected == 2 {
                session.io.say(b"\x01\x03joe\x06secret").await;
                session.io.hear(b"\x01\x00").await;
                session.io.say(CONNECT).await;
                session.io.hear(CONNECTED).await;
            } else {
                let (said, heard, ..) = dialogue(2, true);
                session.io.say(&said[OFFER.len()..]).await;
                session.io.hear(&heard[SELECTED.len()..]).await;
            }
            let (request, mut target) = dialled.recv().await.unwrap();
            assert!(request.identity.name().unwrap().starts_with(b"joe"));
            target.say(b"x").await;
        })
        .await;
    }
    within(async {
        // Passwords first, and no authentication at last.
        let (dialer, _dialled) = targets();
        let methods = (users(), any_level(), tower_socks::NoAuth);
        let mut session = Client::new(stack(methods, dialer));
        session.io.say(b"\x05\x03\x00\x01\x02").await;
        session.io.hear(b"\x05\x02").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_too_slow_is_closed_at_the_deadline() {
    for said in [&b"\x01"[..], b"\x01\x01\xff\xff", b"\x01\x01\x00\x05mo"] {
        within(async {
            let started = Instant::now();
            let (mut session, _dialled) = serve(any_level());
            session.io.say(&[OFFER, said].concat()).await;
            session.io.hear(SELECTED).await;
            session.io.hear_end().await;
            let elapsed = started.elapsed().as_millis();
            assert!((10_000..10_100).contains(&elapsed), "{elapsed}");
        })
        .await;
    }
}

/// A mechanism whose steps wait until they are let go, and how many run and have begun.
fn blocking() -> (Mock, mpsc::Sender<()>, Arc<AtomicUsize>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let mock = Mock {
        hook: Some(Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            wait.lock().unwrap().recv().unwrap();
        })),
        ..Mock::default()
    };
    (mock, go, begun)
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_turn_belongs_to_the_step_and_not_to_the_connection() {
    within(async {
        let (mock, go, begun) = blocking();
        let (dialer, _dialled) = targets();
        let stack = stack(Gssapi::new(mock).turns(1), dialer);
        let said = [OFFER, &framed(1, TICKET)].concat();
        let mut first = Client::new(stack.clone());
        first.io.say(&said).await;
        until(|| begun.load(Ordering::SeqCst) == 1).await;

        // The connection is gone, and the step goes on: the next one waits.
        first.session.abort();
        let _ = first.session.await;
        let mut second = Client::new(stack.clone());
        second.io.say(&said).await;
        second.io.hear(SELECTED).await;
        let mut third = Client::new(stack);
        third.io.say(&said).await;
        third.io.hear(SELECTED).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 1);

        // One that waits and is dropped holds nothing.
        second.session.abort();
        let _ = second.session.await;
        go.send(()).unwrap();
        until(|| begun.load(Ordering::SeqCst) == 2).await;
        go.send(()).unwrap();
        third.io.hear(&framed(1, WELCOME)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test]
async fn those_that_wait_are_bounded_in_number_and_in_time() {
    within(async {
        let (mock, go, begun) = blocking();
        let (dialer, _dialled) = targets();
        let method = Gssapi::new(mock)
            .turns(1)
            .queue(1)
            .patience(Duration::from_millis(50));
        let stack = stack(method, dialer);
        let said = [OFFER, &framed(1, TICKET)].concat();
        let mut first = Client::new(stack.clone());
        first.io.say(&said).await;
        until(|| begun.load(Ordering::SeqCst) == 1).await;
        let mut second = Client::new(stack.clone());
        second.io.say(&said).await;
        second.io.hear(SELECTED).await;
        let mut third = Client::new(stack);
        third.io.say(&said).await;
        // There is no place, and then no patience.
        third.io.hear(SELECTED).await;
        third.io.hear(ABORT).await;
        let error = third.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Refused);
        assert!(texts(&error).contains("too many verifications wait"));
        second.io.hear(ABORT).await;
        go.send(()).unwrap();
        first.io.hear(SELECTED).await;
        first.io.hear(&framed(1, WELCOME)).await;
    })
    .await;
}

#[tokio::test]
async fn a_step_that_takes_too_long_ends_at_the_deadline_of_the_handshake() {
    use tower::Layer;
    use tower_socks::{AuthLayer, HandshakeLayer};

    within(async {
        let (mock, go, _) = blocking();
        let (dialer, _dialled) = targets();
        let layer = HandshakeLayer::new().deadline(Duration::from_millis(200));
        let stack = layer.layer(AuthLayer::new(Gssapi::new(mock)).layer(dialer));
        let mut session = Client::new(stack);
        let started = Instant::now();
        session.io.say(&[OFFER, &framed(1, TICKET)].concat()).await;
        session.io.hear(SELECTED).await;
        session.io.hear_end().await;
        assert!(started.elapsed() < Duration::from_secs(5));
        let error = session.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Authentication);
        go.send(()).unwrap();
    })
    .await;
}

/// It has no use for what clients of other protocols state, and the next method is asked.
#[tokio::test(start_paused = true)]
async fn clients_of_socks4_on_the_same_port_cannot_use_it() {
    use tower::Layer;
    use tower_socks::{
        AuthLayer, HandshakeLayer, NoAuth,
        layer::{mixed::MixedLayer, socks4::Socks4Layer},
    };

    const SOCKS4: &[u8] = b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\0";
    let layer = || {
        let layer = MixedLayer::new().socks5(HandshakeLayer::new());
        layer.socks4(Socks4Layer::new())
    };
    within(async {
        let (dialer, _dialled) = targets();
        let mut alone = Client::new(layer().layer(AuthLayer::new(any_level()).layer(dialer)));
        alone.io.say(SOCKS4).await;
        alone.io.hear(b"\x00\x5b\0\0\0\0\0\0").await;
        alone.io.hear_end().await;

        let (dialer, _dialled) = targets();
        let methods = AuthLayer::new((any_level(), NoAuth)).layer(dialer);
        let stack = layer().layer(methods);
        let mut beside = Client::new(stack.clone());
        beside.io.say(SOCKS4).await;
        beside.io.hear(b"\x00\x5a").await;
        let (said, heard, ..) = dialogue(2, true);
        let mut beside = Client::new(stack);
        beside.io.say(&said).await;
        beside.io.hear(&heard).await;
    })
    .await;
}
