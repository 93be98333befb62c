//! Who gets no context, and what the error says is missing.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use tower_socks::{
    error::AuthError,
    gssapi::{
        Establishment, Initiator, Mechanism, Step,
        kerberos::{KerberosInitiator, KerberosMechanism},
    },
    proto::Command,
};

use crate::realm::{establish, file, in_realm};

fn initiator() -> KerberosInitiator {
    KerberosInitiator::service_on("socks", "localhost")
}

fn mechanism() -> KerberosMechanism {
    KerberosMechanism::service("socks")
}

/// What stops the two of them, within a second.
fn stopped(initiator: &KerberosInitiator, mechanism: &KerberosMechanism) -> String {
    let begun = Instant::now();
    let refused = establish(initiator, mechanism, Command::CONNECT).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1), "{refused}");
    refused.to_string()
}

fn first_token() -> Vec<u8> {
    let begun = initiator().initiate(Command::CONNECT).unwrap().step(b"");
    let Step::Continue { token, .. } = begun.unwrap() else {
        panic!("one token of two");
    };
    token
}

fn refusal(token: &[u8]) -> String {
    let refused = mechanism().accept().unwrap().step(token).unwrap_err();
    refused.to_string()
}

#[test]
fn no_ticket() {
    in_realm!(no_ticket, &[("KRB5CCNAME", "nothing")], || {
        let line = stopped(&initiator(), &mechanism());
        let cache = file("nothing").display().to_string();
        assert!(line.starts_with("ticket: No Kerberos credentials available"));
        assert!(line.contains(&cache), "{line}");
    });
}

#[test]
fn the_tickets_of_somebody_else() {
    in_realm!(the_tickets_of_somebody_else, || {
        let line = stopped(&initiator().principal("ann@EXAMPLE.TEST"), &mechanism());
        assert!(line.starts_with("ticket: "), "{line}");
        assert!(line.contains("ann@EXAMPLE.TEST"), "{line}");
        let joe = initiator().principal("joe@EXAMPLE.TEST");
        establish(&joe, &mechanism(), Command::CONNECT).unwrap();
    });
}

#[test]
fn a_realm_whose_kdc_is_away() {
    in_realm!(
        a_realm_whose_kdc_is_away,
        &[("KRB5_CONFIG", "lonely.conf"), ("KRB5CCNAME", "fresh")],
        || {
            let line = stopped(&initiator(), &mechanism());
            assert_eq!(
                line,
                "ticket for the proxy: Cannot contact any KDC for realm 'EXAMPLE.TEST'"
            );
        }
    );
}

#[test]
fn a_service_that_the_realm_does_not_know() {
    in_realm!(a_service_that_the_realm_does_not_know, || {
        let rcmd = KerberosInitiator::service_on("rcmd", "localhost");
        assert_eq!(
            stopped(&rcmd, &mechanism()),
            "ticket for the proxy: Server rcmd/localhost@EXAMPLE.TEST not found in Kerberos database"
        );
    });
}

#[test]
fn no_keytab() {
    in_realm!(no_keytab, &[("KRB5_KTNAME", "nothing")], || {
        let nothing = file("nothing").display().to_string();
        let wanted = format!("keytab: Key table file '{nothing}' not found");
        assert_eq!(mechanism().check().unwrap_err().to_string(), wanted);
        // It is the server's fault, and said as such.
        let refused = mechanism().accept().unwrap_err();
        let Some(AuthError::Verifier(source)) = refused.downcast_ref() else {
            panic!("{refused}");
        };
        assert_eq!(source.to_string(), wanted);
        // A keytab that comes later is used at once.
        std::fs::copy(file("socks.keytab"), &nothing).unwrap();
        mechanism().check().unwrap();
        establish(&initiator(), &mechanism(), Command::CONNECT).unwrap();
        std::fs::remove_file(nothing).unwrap();
    });
}

#[test]
fn a_keytab_without_the_service() {
    in_realm!(
        a_keytab_without_the_service,
        &[("KRB5_KTNAME", "other.keytab")],
        || {
            let line = mechanism().check().unwrap_err().to_string();
            assert!(
                line.starts_with("keytab: No key table entry found matching socks/"),
                "{line}"
            );
            KerberosMechanism::service("other").check().unwrap();
            KerberosMechanism::service_on("other", "localhost")
                .check()
                .unwrap();
            KerberosMechanism::service_on("other", "elsewhere")
                .check()
                .unwrap_err();
        }
    );
}

#[test]
fn a_keytab_that_is_out_of_date() {
    in_realm!(
        a_keytab_that_is_out_of_date,
        &[("KRB5_KTNAME", "old.keytab")],
        || {
            mechanism().check().unwrap();
            let line = stopped(&initiator(), &mechanism());
            assert!(line.starts_with("ticket of the client: "), "{line}");
            assert!(line.contains("socks/localhost@EXAMPLE.TEST"), "{line}");
            assert!(line.contains("keytab is likely out of date"), "{line}");
        }
    );
}

/// The server of this test admits clocks that differ by a second, and gets a token that is three seconds old.
#[test]
fn clocks_that_differ() {
    in_realm!(
        clocks_that_differ,
        &[("KRB5_CONFIG", "strict.conf")],
        || {
            let token = first_token();
            sleep(Duration::from_secs(3));
            assert_eq!(
                refusal(&token),
                "ticket of the client: Clock skew too great"
            );
        }
    );
}

#[test]
fn a_first_token_that_comes_twice() {
    in_realm!(a_first_token_that_comes_twice, || {
        let token = first_token();
        mechanism().accept().unwrap().step(&token).unwrap();
        assert_eq!(refusal(&token), "ticket of the client: Request is a replay");
    });
}

/// RC4, which the library still does.
#[test]
fn keys_that_are_out_of_use() {
    in_realm!(
        keys_that_are_out_of_use,
        &[("KRB5_CONFIG", "weak.conf"), ("KRB5CCNAME", "fresh")],
        || {
            let weak = KerberosInitiator::service_on("weak", "localhost");
            let line = stopped(&weak, &KerberosMechanism::service("weak"));
            assert!(line.starts_with("ticket"), "{line}");
        }
    );
}

#[test]
fn what_is_no_token() {
    in_realm!(what_is_no_token, || {
        assert_eq!(refusal(b""), "client: it sent an empty token");
        let token = first_token();
        // SPNEGO around nothing; and Kerberos, cut.
        let mut refused = vec![
            b"\x00".to_vec(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"\x60\x08\x06\x06\x2b\x06\x01\x05\x05\x02".to_vec(),
            vec![0xff; 65_535],
            vec![0x60; 65_535],
        ];
        refused.extend((0..token.len()).step_by(7).map(|len| token[..len].to_vec()));
        for token in refused {
            let line = refusal(&token);
            assert!(
                !line.contains("(Success)") && !line.contains('\n'),
                "{line}"
            );
        }
        // None of them has used it up.
        mechanism().accept().unwrap().step(&token).unwrap();
    });
}

/// Not each octet of a first token is protected: those that are not change nothing of who the client is.
#[test]
fn a_first_token_that_was_changed_lets_nobody_else_in() {
    in_realm!(a_first_token_that_was_changed_lets_nobody_else_in, || {
        for place in 0..first_token().len() {
            // Numbers in it have one octet more or less.
            let mut changed = first_token();
            let Some(octet) = changed.get_mut(place) else {
                break;
            };
            *octet ^= 0x80;
            let mut step = mechanism().accept().unwrap().step(&changed);
            // Some make the library ask for another token.
            if let Ok(Step::Continue { next, .. }) = step {
                step = next.step(&first_token());
            }
            match step {
                Ok(Step::Done { peer, .. }) => assert_eq!(peer, "joe@EXAMPLE.TEST"),
                Ok(Step::Continue { .. }) => panic!("octet {place}: a third token is wanted"),
                Err(_) => {}
            }
        }
    });
}

/// The proxy has to prove who it is: what somebody else says for it is refused.
#[test]
fn a_proxy_that_cannot_prove_who_it_is() {
    in_realm!(a_proxy_that_cannot_prove_who_it_is, || {
        let answers: [&dyn Fn(Vec<u8>) -> Vec<u8>; 4] = [
            &|_| Vec::new(),
            &|_| b"\x00".to_vec(),
            &|answer| answer[..answer.len() - 1].to_vec(),
            &|mut answer| {
                *answer.last_mut().unwrap() ^= 1;
                answer
            },
        ];
        for change in answers {
            let begun = initiator().initiate(Command::CONNECT).unwrap().step(b"");
            let Step::Continue { token, next } = begun.unwrap() else {
                panic!("one token of two");
            };
            let accepted = mechanism().accept().unwrap().step(&token).unwrap();
            let Step::Done {
                token: Some(answer),
                ..
            } = accepted
            else {
                panic!("an answer to prove it");
            };
            let refused = next.step(&change(answer)).unwrap_err().to_string();
            let known = ["proxy: ", "answer of the proxy: "];
            assert!(
                known.iter().any(|start| refused.starts_with(start)),
                "{refused}"
            );
        }
    });
}
