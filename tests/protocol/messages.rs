//! The messages as bytes: what every decoder promises, for every message.

use std::fmt::Debug;

use proptest::{collection::vec, prelude::*};
use tower_socks::proto::{
    Address, Command, Credentials, Decode, Decoded, DomainName, Error, Greeting, GssapiHeader,
    InvalidName, Method, MethodSet, Reply, ReplyCode, Request, Selection, UdpHeader,
    UserPassStatus,
};

/// Decodes `frame` in every way in which it can arrive; it has to come out the same.
fn arrive<T: Decode + Debug>(frame: &[u8]) -> T {
    assert!(frame.len() <= T::MAX_LEN);
    // Cut anywhere, it asks for something, and never for more than is missing.
    for cut in 0..frame.len() {
        match T::decode(&frame[..cut]) {
            Ok(Decoded::Need(missing)) => assert!((1..=frame.len() - cut).contains(&missing)),
            other => panic!("{cut} octets of a message decode to {other:?}"),
        }
    }
    // Read as it asks, it takes the message and not an octet more.
    let mut have = 0;
    let whole = loop {
        match T::decode(&frame[..have]).unwrap() {
            Decoded::Need(missing) => have += missing,
            Decoded::Done(value, taken) => {
                assert_eq!((have, taken), (frame.len(), frame.len()));
                break value;
            }
        }
    };
    // What follows is neither taken nor looked at.
    for behind in [0x00, 0x05, 0xff] {
        let longer = [frame, &[behind; 300]].concat();
        match T::decode(&longer).unwrap() {
            Decoded::Done(value, taken) => {
                assert_eq!(taken, frame.len());
                assert_eq!(format!("{value:?}"), format!("{whole:?}"));
            }
            Decoded::Need(_) => panic!("incomplete with octets to spare"),
        }
    }
    whole
}

/// Whatever comes, a decoder says something that makes sense.
fn survives<T: Decode + Debug>(bytes: &[u8]) {
    match T::decode(bytes) {
        Ok(Decoded::Done(_, taken)) => {
            assert!((1..=bytes.len().min(T::MAX_LEN)).contains(&taken));
            arrive::<T>(&bytes[..taken]);
        }
        Ok(Decoded::Need(missing)) => {
            assert!(missing > 0 && bytes.len() + missing <= T::MAX_LEN);
        }
        // No continuation makes a message of it.
        Err(error) => {
            let longer = [bytes, &[1; 600]].concat();
            assert_eq!(T::decode(&longer).unwrap_err(), error);
        }
    }
}

fn name() -> impl Strategy<Value = DomainName> {
    let octets: Vec<char> = "abcxyz0189-_.~!$&'()*+,;=".chars().collect();
    let ascii = vec(prop::sample::select(octets), 1..=255);
    let any = vec(any::<char>(), 1..=60);
    prop_oneof![ascii, any].prop_filter_map("not a name", |chars| {
        DomainName::new(&chars.into_iter().collect::<String>()).ok()
    })
}

fn ip() -> impl Strategy<Value = Address> {
    let v4 = any::<([u8; 4], u16)>().prop_map(|address| Address::Ip(address.into()));
    let v6 = any::<([u8; 16], u16)>().prop_map(|address| Address::Ip(address.into()));
    prop_oneof![v4, v6]
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        ip(),
        (name(), any::<u16>()).prop_map(|(name, port)| Address::Name(name, port)),
    ]
}

proptest! {
    #[test]
    fn greetings_round_trip(methods in vec(0..=254u8, 0..=255)) {
        let methods: MethodSet = methods.into_iter().map(Method).collect();
        let greeting = Greeting { methods };
        prop_assert_eq!(arrive::<Greeting>(&greeting.encode()), greeting);
    }

    #[test]
    fn selections_and_statuses_round_trip(octet: u8) {
        let selection = Selection { method: Method(octet) };
        prop_assert_eq!(&*selection.encode(), &[5, octet]);
        prop_assert_eq!(arrive::<Selection>(&selection.encode()), selection);
        let status = UserPassStatus(octet);
        prop_assert_eq!(&*status.encode(), &[1, octet]);
        prop_assert_eq!(arrive::<UserPassStatus>(&status.encode()), status);
    }

    #[test]
    fn u1_credentials_of_any_octets_round_trip(
        name in vec(any::<u8>(), 0..=255),
        password in vec(any::<u8>(), 0..=255),
    ) {
        let credentials = Credentials::new(name.clone(), password.clone()).unwrap();
        let credentials = arrive::<Credentials>(&credentials.encode());
        prop_assert_eq!(credentials.name(), name);
        prop_assert_eq!(credentials.password().as_bytes(), password);
    }

    #[test]
    fn r1_requests_round_trip(command: u8, target in address()) {
        let request = Request { command: Command(command), target };
        prop_assert_eq!(arrive::<Request>(&request.encode()), request);
    }

    #[test]
    fn r7_replies_round_trip_and_keep_every_code(code: u8, bound in ip()) {
        let reply = Reply { code: ReplyCode(code), bound };
        prop_assert_eq!(arrive::<Reply>(&reply.encode()), reply);
    }

    #[test]
    fn datagram_headers_round_trip(fragment: u8, address in address()) {
        let header = UdpHeader { fragment, address };
        prop_assert_eq!(arrive::<UdpHeader>(&header.encode()), header);
    }

    #[test]
    fn no_decoder_panics(
        mut bytes in vec(any::<u8>(), 0..600),
        // Plain noise ends at the first octet most of the time.
        start in prop::sample::select(vec![
            &b""[..], b"\x05", b"\x01", b"\x05\x01\x00\x01", b"\x05\x00\x00\x03", b"\x05\x02\x00\x04",
            b"\x00\x00\x00\x03", b"\x00\x00\x01\x04",
        ]),
    ) {
        bytes.splice(..0, start.iter().copied());
        survives::<Greeting>(&bytes);
        survives::<Selection>(&bytes);
        survives::<Credentials>(&bytes);
        survives::<UserPassStatus>(&bytes);
        survives::<GssapiHeader>(&bytes);
        survives::<Request>(&bytes);
        survives::<Reply>(&bytes);
        survives::<UdpHeader>(&bytes);
    }

    #[test]
    fn addresses_survive_text(address in address()) {
        // A name with a colon is legal on the wire, and not in text.
        let Ok(address) = address.canonical() else { return Ok(()) };
        let text = address.to_string();
        prop_assert_eq!(text.parse::<Address>().unwrap(), address);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), port: u16) {
        let _ = text.parse::<Address>();
        let _ = format!("{text}:{port}").parse::<Address>();
        if let Ok(address) = Address::new(&text, port) {
            // There is one canonical form.
            prop_assert_eq!(address.clone().canonical(), Ok(address));
        }
    }
}

#[test]
fn frames_hold_the_longest_messages() {
    let name: DomainName = DomainName::new(&"x".repeat(255)).unwrap();
    let target = Address::Name(name, 65_535);
    let command = Command::CONNECT;
    let request = Request {
        command,
        target: target.clone(),
    };
    assert_eq!(request.encode().len(), 262);
    assert_eq!(request.encode()[260..], [0xff, 0xff]);
    arrive::<Request>(&request.encode());

    let header = UdpHeader {
        fragment: 0,
        address: target,
    };
    assert_eq!(header.encode().len(), 262);
    arrive::<UdpHeader>(&header.encode());

    let credentials = Credentials::new([b'n'; 255], [b'p'; 255]).unwrap();
    assert_eq!(credentials.encode().len(), 513);
    assert!(credentials.encode().ends_with(&[b'p'; 255]));
    arrive::<Credentials>(&credentials.encode());
    assert!(Credentials::new([b'n'; 256], "p").is_none());
    assert!(Credentials::new("n", [b'p'; 256]).is_none());

    // X'FF' is an answer and not an offer: 255 values are left.
    let greeting = Greeting {
        methods: (0..=255).map(Method).collect(),
    };
    assert_eq!(greeting.encode().len(), 257);
    assert_eq!(greeting.encode()[..2], [5, 255]);
    assert!(!greeting.encode()[2..].contains(&0xff));
    arrive::<Greeting>(&greeting.encode());
}

#[test]
fn r7_a_reply_carries_a_name_in_and_never_out() {
    let bytes = b"\x05\x00\x00\x03\x0bexample.com\x1f\x90";
    let reply = arrive::<Reply>(bytes);
    assert_eq!(reply.bound.to_string(), "example.com:8080");
    assert_eq!(
        &*reply.encode(),
        b"\x05\x00\x00\x01\x00\x00\x00\x00\x1f\x90"
    );
}

#[test]
fn r7_unassigned_reply_codes_keep_their_number() {
    for code in 0..=255 {
        let reply = arrive::<Reply>(&[5, code, 0, 1, 127, 0, 0, 1, 0, 80]);
        assert_eq!(reply.code, ReplyCode(code));
        assert_eq!(reply.encode()[1], code);
        assert_eq!(reply.code.is_success(), code == 0);
    }
    assert_eq!(ReplyCode(0x09).to_string(), "reply code 0x09");
}

#[test]
fn a_wrong_version_is_told_from_the_first_octet() {
    for found in (0..=255).filter(|octet| *octet != 5) {
        let wrong = Error::Version { expected: 5, found };
        assert_eq!(Greeting::decode(&[found]).unwrap_err(), wrong);
        assert_eq!(Selection::decode(&[found]).unwrap_err(), wrong);
        assert_eq!(Request::decode(&[found]).unwrap_err(), wrong);
        assert_eq!(Reply::decode(&[found]).unwrap_err(), wrong);
    }
    for found in (0..=255).filter(|octet| *octet != 1) {
        let wrong = Error::Version { expected: 1, found };
        assert_eq!(Credentials::decode(&[found]).unwrap_err(), wrong);
        assert_eq!(UserPassStatus::decode(&[found]).unwrap_err(), wrong);
    }
}

#[test]
fn r3_an_unknown_address_type_is_told_at_once() {
    for unknown in (0..=255).filter(|octet| ![1, 3, 4].contains(octet)) {
        let error = Request::decode(&[5, 1, 0, unknown]).unwrap_err();
        assert_eq!(error, Error::AddressType(unknown));
        let error = UdpHeader::decode(&[0, 0, 0, unknown]).unwrap_err();
        assert_eq!(error, Error::AddressType(unknown));
    }
}

#[test]
fn r2_reserved_octets_are_ignored_in_requests_and_fatal_in_datagrams() {
    let request = arrive::<Request>(b"\x05\x01\xff\x01\xc0\x00\x02\x01\x00\x50");
    assert_eq!(request.target.to_string(), "192.0.2.1:80");
    for reserved in [[1, 0], [0, 1]] {
        assert_eq!(UdpHeader::decode(&reserved).unwrap_err(), Error::Reserved);
    }
}

#[test]
fn r5_a_bad_name_is_told_once_the_message_is_whole() {
    // Not before: the failure reply must not cross the rest of the request.
    for (bytes, reason) in [
        (&b"\x05\x01\x00\x03\x00\x00\x50"[..], InvalidName::Empty),
        (b"\x05\x01\x00\x03\x03a\x00b\x00\x50", InvalidName::Octet),
        (b"\x05\x01\x00\x03\x02\xc3\x28\x00\x50", InvalidName::Octet),
    ] {
        let (_, cut) = bytes.split_last().unwrap();
        assert!(matches!(Request::decode(cut), Ok(Decoded::Need(1))));
        assert_eq!(Request::decode(bytes).unwrap_err(), Error::Name(reason));
    }
}

#[test]
fn u6_passwords_do_not_show() {
    let credentials = Credentials::new("joe", "hunter2").unwrap();
    let frame = credentials.encode();
    let shown = format!(
        "{credentials:?} {credentials:#?} {:?} {frame:?}",
        credentials.password()
    );
    assert!(shown.contains("joe") && shown.contains("[redacted]"));
    assert!(!shown.contains("hunter2"));
    // Not as numbers either, and not by its length.
    assert!(!shown.contains("104, 117"));
    let other = Credentials::new("joe", "").unwrap();
    assert_eq!(format!("{other:?}"), format!("{credentials:?}"));
}

#[test]
fn a_message_is_asked_for_in_few_pieces() {
    fn pieces<T: Decode>(frame: &[u8]) -> usize {
        let (mut have, mut pieces) = (0, 0);
        while let Decoded::Need(missing) = T::decode(&frame[..have]).unwrap() {
            have += missing;
            pieces += 1;
        }
        pieces
    }
    assert_eq!(pieces::<Selection>(b"\x05\x00"), 1);
    assert_eq!(pieces::<UserPassStatus>(b"\x01\x00"), 1);
    assert_eq!(
        pieces::<Reply>(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"),
        2
    );
    assert_eq!(pieces::<Reply>(b"\x05\x00\x00\x03\x01a\x00\x50"), 2);
}

#[test]
fn s6_a_set_names_all_its_members_in_order() {
    let all: MethodSet = (0..=u8::MAX).map(Method).collect();
    assert!(all.iter().eq((0..=u8::MAX).map(Method)));
    let edges = [0, 1, 127, 128, 254, 255].map(Method);
    let set: MethodSet = edges.into_iter().rev().collect();
    assert!(set.iter().eq(edges));
    assert_eq!(MethodSet::new().iter().next(), None);
}
