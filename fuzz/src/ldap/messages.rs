use super::{
    expected::{self, Said},
    message::{Outcome, Response, bind, complete, message, parse},
};

/// Octets of a message. Those of an answer have a bound as well.
const LONGEST: usize = 2048;

/// What a server of LDAP sends: a message is found, and means what it means to another reader. The same octets are a
/// password that we send.
pub fn ldap_message(data: &[u8]) {
    asked(data);
    let found = complete(data, LONGEST);
    let Ok(found) = found else {
        // Nothing that follows makes a message of it, and what is in front is none.
        let longer = [data, &[0; 300]].concat();
        assert!(complete(&longer, LONGEST).is_err());
        assert!((0..data.len()).all(|cut| !matches!(complete(&data[..cut], LONGEST), Ok(Some(_)))));
        return;
    };
    let Some(len) = found else {
        // What is missing will fit.
        assert!(data.len() < LONGEST + 6);
        return;
    };
    assert!((2..=data.len().min(LONGEST + 6)).contains(&len));
    for cut in 0..len {
        assert_eq!(complete(&data[..cut], LONGEST), Ok(None), "{cut} of {len}");
    }
    match (parse(&data[..len]), expected::read(&data[..len])) {
        (Err(()), None) => {}
        (Ok((id, response)), Some((expected, said))) => {
            assert_eq!(id, expected);
            same(&response, said);
        }
        (parsed, expected) => panic!("{parsed:?}, and there is one: {}", expected.is_some()),
    }
}

fn same(response: &Response, said: Said) {
    let outcome = |code, text| Outcome { code, text };
    match (response, said) {
        (Response::Bound(found), Said::Outcome(0x61, code, text))
        | (Response::Done(found), Said::Outcome(0x65, code, text))
        | (Response::Extended(found), Said::Outcome(0x78, code, text)) => {
            assert_eq!(*found, outcome(code, text));
        }
        (Response::Reference, Said::Reference) => {}
        (Response::Entry(entry), Said::Entry(dn, attributes)) => {
            assert_eq!(entry.dn, dn);
            for (name, _) in &attributes {
                let named = attributes
                    .iter()
                    .filter(|(other, _)| other.eq_ignore_ascii_case(name));
                let values = named.flat_map(|(_, values)| values);
                for asked in [name.clone(), name.to_ascii_uppercase()] {
                    assert!(entry.values(&asked).eq(values.clone()), "{asked}");
                }
            }
            let is_there = |name: &str| attributes.iter().any(|(it, _)| it == name);
            assert!(is_there("nobody") || entry.values("nobody").next().is_none());
        }
        (response, _) => panic!("{response:?} is another message"),
    }
}

/// What we send is one message, whatever is in it.
fn asked(password: &[u8]) {
    let dn = String::from_utf8_lossy(password);
    let id = u32::try_from(password.len()).unwrap_or(1) << 15;
    let sent = message(id, &bind(&dn, password));
    assert_eq!(complete(&sent, usize::MAX), Ok(Some(sent.len())));
    assert!(sent.ends_with(password));
    // It is no answer to anything.
    assert!(parse(&sent).is_err() && expected::read(&sent).is_none());
}
