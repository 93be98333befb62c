//! The keys of limits: whose share is whose, and what the log says of it.

use std::{collections::HashSet, num::NonZeroU32, time::Duration};

use proptest::prelude::*;
use tower_socks::{
    Identity, Request,
    layer::{
        key::{self, User, UserOrClient},
        limit::{Admission, ConcurrentTunnels, Limiter, RequestRate},
        meter::{Bandwidth, ByteQuota, MakeMeter, QuotaStore},
    },
    proto::{Address, Command},
};

fn request(name: &[u8]) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(name);
    request
}

/// Names that a lossy conversion, or an escaped form without escaped escapes, takes for each other.
const ALIKE: [&[u8]; 14] = [
    b"\xff",
    b"\xfe",
    b"\xff\xfe",
    b"\\xff",
    b"\\\\xff",
    b"\\\xff",
    "\u{fffd}".as_bytes(),
    b"\\u{fffd}",
    b"-",
    b"\\x2d",
    b"\n",
    b"\\n",
    b"jos\xe9",
    "jos\u{e9}".as_bytes(),
];

#[test]
fn names_that_are_not_utf_8_share_no_limit() {
    let tunnels = ConcurrentTunnels::new(1, key::user);
    let rate = RequestRate::per_minute(NonZeroU32::MIN, key::user);
    let quota = ByteQuota::new(10, Duration::from_secs(3600), key::user);
    let bandwidth = Bandwidth::new(key::user).up(1000);
    let mut held = Vec::new();
    for name in ALIKE {
        let Admission::Permit(permit) = tunnels.admit(&request(name)) else {
            panic!("{name:?} has the tunnel of another");
        };
        let second = tunnels.admit(&request(name));
        assert!(matches!(second, Admission::Refused(_)), "{name:?}");

        let first = rate.admit(&request(name));
        assert!(matches!(first, Admission::Permit(_)), "{name:?}");
        let second = rate.admit(&request(name));
        assert!(matches!(second, Admission::Refused(_)), "{name:?}");

        assert_eq!(
            quota.store().take(&User::named(name), 10).now(),
            Some(10),
            "{name:?}"
        );
        assert!(
            quota.meter(&request(name)).now().unwrap().is_err(),
            "{name:?}"
        );

        let meter = bandwidth.meter(&request(name)).now().unwrap().unwrap();
        held.push((permit, meter));
    }
    assert_eq!(tunnels.keys(), ALIKE.len());
    assert_eq!(bandwidth.keys(), ALIKE.len());
}

#[test]
fn names_that_look_alike_are_told_apart_in_the_log() {
    let anonymous = Identity::anonymous().to_string();
    let mut texts = HashSet::from([anonymous]);
    for name in ALIKE {
        assert!(texts.insert(Identity::named(name).to_string()), "{name:?}");
    }
    let tunnels = ConcurrentTunnels::new(0, key::user);
    for (name, text) in [
        (&b"joe"[..], r#""joe" has 0 tunnels already"#),
        (b"jos\xe9", r#""jos\xe9" has 0 tunnels already"#),
        (b"jos\\xe9", r#""jos\\xe9" has 0 tunnels already"#),
        (
            "jos\u{e9}".as_bytes(),
            "\"jos\u{e9}\" has 0 tunnels already",
        ),
        (b"a\"\x1b[2J\n", r#""a\"\u{1b}[2J\n" has 0 tunnels already"#),
    ] {
        let Admission::Refused(refusal) = tunnels.admit(&request(name)) else {
            panic!("{name:?} was admitted");
        };
        assert_eq!(refusal.to_string(), text);
    }
}

#[test]
fn a_user_who_is_called_like_an_address_is_not_the_client_at_that_address() {
    let named = key::user_or_client(&request(b"203.0.113.7")).unwrap();
    let mut anonymous = request(b"");
    anonymous.identity = Identity::anonymous();
    anonymous.peer = "203.0.113.7:1".parse().unwrap();
    let client = key::user_or_client(&anonymous).unwrap();

    assert_ne!(named, client);
    assert_eq!(named, UserOrClient::User("203.0.113.7".into()));
    assert_eq!(format!("{named:?}"), "\"203.0.113.7\"");
    assert_eq!(format!("{client:?}"), "203.0.113.7");
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    // What escapes are made of, and what begins and continues a character of UTF-8.
    let likely = prop::sample::select(&b"\\x2d-fFu{}\"'n\n\x00\x7f\x80\xa9\xc3\xe2\xff"[..]);
    prop::collection::vec(prop_oneof![4 => likely, 1 => any::<u8>()], 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn keys_and_their_texts_are_equal_only_if_the_names_are(one in octets(), other in octets()) {
        let (a, b) = (User::named(&one), User::named(&other));
        prop_assert_eq!(a == b, one == other);
        prop_assert_eq!(a.to_string() == b.to_string(), one == other);
        prop_assert_eq!(format!("{a:?}") == format!("{b:?}"), one == other);
        prop_assert_eq!(key::user(&request(&one)), Some(a.clone()));
        prop_assert_eq!(a.name(), &*one);
        let texts = format!("{a:?}{a}");
        prop_assert!(!texts.chars().any(char::is_control), "{}", texts);
    }
}
