//! The messages of GSS-API (RFC 1961) as octets.

use tower_socks::proto::{Decode, Decoded, Error, GssapiHeader, ProtectionLevel};

type Case = (GssapiHeader, &'static [u8]);

const HEADS: [Case; 7] = [
    (GssapiHeader::Context(0), b"\x01\x01\x00\x00"),
    (GssapiHeader::Context(0x1234), b"\x01\x01\x12\x34"),
    (GssapiHeader::Level(1), b"\x01\x02\x00\x01"),
    (GssapiHeader::Level(60), b"\x01\x02\x00\x3c"),
    (GssapiHeader::Data(256), b"\x01\x03\x01\x00"),
    (GssapiHeader::Data(65_535), b"\x01\x03\xff\xff"),
    (GssapiHeader::Abort, b"\x01\xff"),
];

#[test]
fn a_head_is_what_the_rfc_says_octet_by_octet() {
    for (head, octets) in HEADS {
        assert_eq!(&*head.encode(), octets);
        assert_eq!(
            GssapiHeader::decode(octets),
            Ok(Decoded::Done(head, octets.len()))
        );
    }
}

#[test]
fn the_token_is_neither_taken_nor_looked_at() {
    for (head, octets) in HEADS {
        for behind in [0x00, 0x01, 0xff] {
            let longer = [octets, &[behind; 9]].concat();
            let decoded = GssapiHeader::decode(&longer);
            assert_eq!(decoded, Ok(Decoded::Done(head, octets.len())));
        }
    }
}

#[test]
fn a_head_may_be_split_anywhere() {
    for (_, octets) in HEADS {
        for cut in 0..octets.len() {
            // The type says whether a length follows: until it is here, only two octets are certain.
            let missing = if cut < 2 { 2 - cut } else { 4 - cut };
            let decoded = GssapiHeader::decode(&octets[..cut]);
            assert_eq!(
                decoded,
                Ok(Decoded::Need(missing)),
                "{octets:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn every_type_but_the_four_is_an_error_at_its_own_octet() {
    for kind in 0..=u8::MAX {
        let decoded = GssapiHeader::decode(&[1, kind]);
        match kind {
            1..=3 => assert_eq!(decoded, Ok(Decoded::Need(2))),
            0xff => assert_eq!(decoded, Ok(Decoded::Done(GssapiHeader::Abort, 2))),
            other => assert_eq!(decoded, Err(Error::MessageType(other))),
        }
    }
    let error = Error::MessageType(4).to_string();
    assert_eq!(error, "unknown message type 0x04");
}

#[test]
fn every_version_but_1_is_an_error_at_the_first_octet() {
    for found in (0..=u8::MAX).filter(|found| *found != 1) {
        let wrong = Error::Version { expected: 1, found };
        assert_eq!(GssapiHeader::decode(&[found]), Err(wrong));
    }
}

#[test]
fn the_length_is_that_of_the_token() {
    let lengths: Vec<u16> = HEADS.iter().map(|(head, _)| head.token_len()).collect();
    assert_eq!(lengths, [0, 0x1234, 1, 60, 256, 65_535, 0]);
}

#[test]
fn a_datagram_is_one_whole_message_of_data() {
    let token = |datagram: &'static [u8]| GssapiHeader::token_of_datagram(datagram);
    assert_eq!(token(b"\x01\x03\x00\x03abc"), Some(&b"abc"[..]));
    assert_eq!(token(b"\x01\x03\x00\x00"), Some(&b""[..]));
    // Cut off, and with something behind it.
    for datagram in [
        &b""[..],
        b"\x01",
        b"\x01\x03",
        b"\x01\x03\x00",
        b"\x01\x03\x00\x01",
        b"\x01\x03\x00\x03ab",
        b"\x01\x03\x00\x03abcd",
        b"\x01\x03\xff\xffabc",
    ] {
        assert_eq!(token(datagram), None, "{datagram:?}");
    }
    // Other messages, another version, and a plain datagram of RFC 1928.
    for datagram in [
        &b"\x01\x01\x00\x03abc"[..],
        b"\x01\x02\x00\x03abc",
        b"\x01\xff",
        b"\x02\x03\x00\x03abc",
        b"\x00\x00\x00\x01\x7f\x00\x00\x01\x00\x35abc",
    ] {
        assert_eq!(token(datagram), None, "{datagram:?}");
    }
    let longest = [&b"\x01\x03\xff\xff"[..], &[7; 65_535]].concat();
    let taken = GssapiHeader::token_of_datagram(&longest).unwrap();
    assert_eq!(taken.len(), 65_535);
}

#[test]
fn a_level_is_one_octet() {
    for octet in 0..=u8::MAX {
        let level = ProtectionLevel::from_octets(&[octet]);
        assert_eq!(level, Some(ProtectionLevel(octet)));
    }
    assert_eq!(ProtectionLevel::from_octets(b""), None);
    assert_eq!(ProtectionLevel::from_octets(b"\x01\x01"), None);
    assert_eq!(
        [
            ProtectionLevel::CLEAR,
            ProtectionLevel::INTEGRITY,
            ProtectionLevel::CONFIDENTIALITY,
            ProtectionLevel::SELECTIVE,
        ],
        [0, 1, 2, 3].map(ProtectionLevel)
    );
}
