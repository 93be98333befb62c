//! Headers of the PROXY protocol, octet by octet.

use tower_socks::proto::{
    Decode, Decoded, Error, InvalidProxyHeader, ProxyHeader, ProxyTlv, ProxyVersion,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A frame of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, rest].concat()
}

/// Decodes a whole header with something behind it, after each of its beginnings.
fn decoded(octets: &[u8]) -> ProxyHeader {
    for len in 0..octets.len() {
        match ProxyHeader::decode(&octets[..len]) {
            Ok(Decoded::Need(missing)) => {
                assert!(
                    (1..=octets.len() - len).contains(&missing),
                    "{len}: {missing}"
                );
            }
            other => panic!("{}: {other:?}", octets[..len].escape_ascii()),
        }
    }
    let more = [octets, b"\x05\x01\x00"].concat();
    match ProxyHeader::decode(&more).unwrap() {
        Decoded::Done(header, taken) => {
            assert_eq!(taken, octets.len());
            header
        }
        Decoded::Need(missing) => panic!("{missing} are missing"),
    }
}

/// Decodes what is none, and returns after how many octets that is known.
fn refused(octets: &[u8]) -> (InvalidProxyHeader, usize) {
    for len in 0..=octets.len() {
        match ProxyHeader::decode(&octets[..len]) {
            Ok(Decoded::Need(missing)) => assert!(missing > 0),
            Ok(Decoded::Done(header, _)) => panic!("{header:?}"),
            Err(Error::ProxyHeader(error)) => {
                // It stays so, whatever follows.
                let all = ProxyHeader::decode(octets).unwrap_err();
                assert!(matches!(all, Error::ProxyHeader(_)));
                return (error, len);
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("{} is incomplete", octets.escape_ascii());
}

fn ends(header: &ProxyHeader) -> (String, String) {
    let text = |address: Option<std::net::SocketAddr>| address.unwrap().to_string();
    (text(header.source()), text(header.destination()))
}

#[test]
fn version_1_of_each_family() {
    let header = decoded(b"PROXY TCP4 203.0.113.5 198.51.100.1 50000 1080\r\n");
    assert_eq!(
        ends(&header),
        ("203.0.113.5:50000".into(), "198.51.100.1:1080".into())
    );
    assert_eq!(
        (header.version(), header.is_local()),
        (ProxyVersion::V1, false)
    );
    assert_eq!(header.tlvs().count(), 0);

    let header = decoded(b"PROXY TCP6 2001:db8::7 2001:DB8::1 0 65535\r\n");
    assert_eq!(
        ends(&header),
        ("[2001:db8::7]:0".into(), "[2001:db8::1]:65535".into())
    );
    decoded(b"PROXY TCP6 :: 2001:db8::1 1 2\r\n");

    // An IPv4-mapped address is the IPv4 address.
    let header = decoded(b"PROXY TCP6 ::ffff:203.0.113.5 ::ffff:c633:6401 1 2\r\n");
    assert_eq!(
        ends(&header),
        ("203.0.113.5:1".into(), "198.51.100.1:2".into())
    );

    // The longest of both, and of those that are to be ignored.
    let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let header = decoded(format!("PROXY TCP6 {long} {long} 65535 65535\r\n").as_bytes());
    assert_eq!(
        header.source(),
        Some(format!("[{long}]:65535").parse().unwrap())
    );
    let line = format!("PROXY UNKNOWN {long} {long} 65535 65535\r\n");
    assert_eq!(line.len(), 107);
    for unknown in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"PROXY UNKNOWN what\x00ever\xff\r\n",
        line.as_bytes(),
    ] {
        let header = decoded(unknown);
        assert_eq!((header.source(), header.destination()), (None, None));
        assert!(!header.is_local());
    }
}

#[test]
fn version_1_is_strict() {
    use InvalidProxyHeader::{Line, Signature, TooLong};

    // As soon as that can be known.
    assert_eq!(refused(b"GET / HTTP/1.1\r\n"), (Signature, 1));
    assert_eq!(refused(b"\x05\x01\x00"), (Signature, 1));
    assert_eq!(refused(b"POST / HTTP/1.1\r\n"), (Signature, 2));
    assert_eq!(refused(b"PROXY UDP4 "), (Line, 8));
    assert_eq!(refused(b"PROXY TCP5 "), (Line, 10));
    assert_eq!(refused(b"proxy TCP4 "), (Signature, 1));
    assert_eq!(refused(b"PROXY UNKNOWNS\r\n"), (Line, 14));
    assert_eq!(refused(b"PROXY UNKNOWN\n"), (Line, 14));
    assert_eq!(refused(b"PROXY TCP4 1.2.3.4\n5.6.7.8 1 2\r\n"), (Line, 19));
    assert_eq!(refused(b"PROXY TCP4 1.2.3.4\r5.6.7.8 1 2\r\n"), (Line, 20));
    for fields in [
        "1.2.3.4 5.6.7.8 1",
        "1.2.3.4 5.6.7.8 1 2 ",
        "1.2.3.4 5.6.7.8  1 2",
        " 1.2.3.4 5.6.7.8 1 2",
        "1.2.3.4 5.6.7.8 01 2",
        "1.2.3.4 5.6.7.8 1 00",
        "1.2.3.4 5.6.7.8 1 65536",
        "1.2.3.4 5.6.7.8 1 ",
        "01.2.3.4 5.6.7.8 1 2",
        "1.2.3 5.6.7.8 1 2",
        "1.2.3.400 5.6.7.8 1 2",
        "::1 ::2 1 2",
        "1.2.3.4 ::2 1 2",
    ] {
        let line = format!("PROXY TCP4 {fields}\r\n");
        assert_eq!(refused(line.as_bytes()).0, Line, "{fields}");
    }
    for fields in [
        "1.2.3.4 5.6.7.8 1 2",
        "[::1] ::2 1 2",
        "::1 ::g 1 2",
        ":::1 ::2 1 2",
        "::1 ::2 +1 2",
    ] {
        let line = format!("PROXY TCP6 {fields}\r\n");
        assert_eq!(refused(line.as_bytes()).0, Line, "{fields}");
    }
    // 107 octets without an end.
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 200]].concat();
    assert_eq!(refused(&endless), (TooLong, 107));
    let late = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 92], b"\r\n"].concat();
    assert_eq!(refused(&late), (TooLong, 107));
    let digits = [b"PROXY TCP6 ".as_slice(), &[b'1'; 200]].concat();
    assert_eq!(refused(&digits), (TooLong, 107));
}

/// That of such a header, by another implementation.
const CHECKSUM: [u8; 4] = 0x2b08_b7ba_u32.to_be_bytes();

const V4: &[u8] = b"\xcb\x00\x71\x05\xc6\x33\x64\x01\xc3\x50\x04\x38";
const V6: &[u8] = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xc3\x50\x04\x38";

#[test]
fn version_2_of_each_family() {
    let header = decoded(&v2(0x21, 0x11, V4));
    assert_eq!(
        ends(&header),
        ("203.0.113.5:50000".into(), "198.51.100.1:1080".into())
    );
    assert_eq!(
        (header.version(), header.is_local()),
        (ProxyVersion::V2, false)
    );
    let header = decoded(&v2(0x21, 0x21, V6));
    assert_eq!(
        ends(&header),
        ("[2001:db8::7]:50000".into(), "[2001:db8::1]:1080".into())
    );
    let mapped = [&[0; 10][..], b"\xff\xff\xcb\x00\x71\x05", &V6[16..]].concat();
    assert_eq!(
        decoded(&v2(0x21, 0x21, &mapped))
            .source()
            .unwrap()
            .to_string(),
        "203.0.113.5:50000"
    );

    // Unix sockets, UNSPEC, LOCAL, and nobody: no address. What is there is skipped.
    let unix = [[0x2f; 216].as_slice(), b"\x02\x00\x01a"].concat();
    let header = decoded(&v2(0x21, 0x31, &unix));
    assert_eq!((header.source(), header.authority()), (None, Some("a")));
    let none = [&[0; 4][..], &V4[4..]].concat();
    let mapped = [&[0; 10][..], b"\xff\xff\0\0\0\0", &V6[16..]].concat();
    for frame in [
        b"PROXY TCP6 ::ffff:0.0.0.0 2001:db8::1 1 2\r\n".to_vec(),
        v2(0x21, 0x21, &mapped),
        v2(0x21, 0x00, b""),
        v2(0x21, 0x00, b"?"),
        v2(0x21, 0x11, &none),
    ] {
        let header = decoded(&frame);
        assert_eq!(
            (header.source(), header.destination(), header.is_local()),
            (None, None, false)
        );
    }
    for (family, rest) in [
        (0x00, &b""[..]),
        (0x11, V4),
        (0x11, b"?"),
        (0x22, V6),
        (0xff, b"\x04\0\x09"),
    ] {
        let header = decoded(&v2(0x20, family, rest));
        assert_eq!((header.source(), header.is_local()), (None, true));
        assert_eq!(header.tlvs().count(), 0);
    }
}

#[test]
fn version_2_is_strict() {
    use InvalidProxyHeader::{Command, Family, Length, Signature, Tlv, Version};

    for at in 1..SIGNATURE.len() {
        let mut frame = v2(0x21, 0x11, V4);
        frame[at] ^= 0x20;
        assert_eq!(refused(&frame), (Signature, at + 1));
    }
    for (octet, error) in [
        (0x11, Version(1)),
        (0x31, Version(3)),
        (0x01, Version(0)),
        (0x22, Command(2)),
        (0x2f, Command(15)),
    ] {
        assert_eq!(refused(&v2(octet, 0x11, V4)), (error, 13));
    }
    // A datagram's, halves, and unassigned ones.
    for family in [0x12, 0x22, 0x32, 0x10, 0x20, 0x01, 0x02, 0x41, 0x13, 0xff] {
        assert_eq!(refused(&v2(0x21, family, V6)), (Family(family), 16));
    }
    assert_eq!(refused(&v2(0x21, 0x11, &V4[1..])), (Length(11), 16));
    assert_eq!(refused(&v2(0x21, 0x21, &V6[1..])), (Length(35), 16));
    assert_eq!(refused(&v2(0x21, 0x31, &[0; 215])), (Length(215), 16));
    for tlvs in [
        &b"\x01"[..],
        b"\x01\x00",
        b"\x01\x00\x01",
        b"\x04\x00\x00\x01\x00\x02a",
    ] {
        let frame = v2(0x21, 0x11, &[V4, tlvs].concat());
        assert_eq!(refused(&frame), (Tlv, frame.len()));
    }
}

#[test]
fn tlvs_and_the_checksum() {
    let tls = b"\x20\x00\x1c\x07\0\0\0\0\x21\x00\x07TLSv1.3\x22\x00\x04joe!\x23\x00\x03AES";
    let tlvs = [
        b"\x01\x00\x02h2\x02\x00\x0bexample.com\x05\x00\x03\x00\xff7\x30\x00\x04blue\xe0\x00\x00"
            .as_slice(),
        &tls[..],
    ];
    let frame = v2(0x21, 0x11, &[V4, &tlvs.concat()].concat());
    let header = decoded(&frame);
    assert_eq!(header.alpn(), Some(&b"h2"[..]));
    assert_eq!(header.authority(), Some("example.com"));
    assert_eq!(header.unique_id(), Some(&b"\x00\xff7"[..]));
    assert_eq!(header.netns(), Some("blue"));
    assert_eq!(header.tlv(0xe0), Some(&b""[..]));
    assert_eq!(header.tlv(0xe1), None);
    let kinds: Vec<u8> = header.tlvs().map(|tlv| tlv.kind).collect();
    assert_eq!(kinds, [0x01, 0x02, 0x05, 0x30, 0xe0, 0x20]);
    let tls = header.tls().unwrap();
    assert!(tls.is_tls() && tls.has_certificate() && tls.is_verified());
    assert_eq!(
        (tls.version(), tls.common_name(), tls.cipher()),
        (Some("TLSv1.3"), Some("joe!"), Some("AES"))
    );
    assert_eq!(tls.client(), 7);
    assert_eq!(tls.tlvs().count(), 3);
    // Values are the sender's, and may be anybody's secret.
    let printed = format!("{header:?}");
    assert!(
        !printed.contains("joe") && !printed.contains("example"),
        "{printed}"
    );

    // Not verified, no certificate, and too short.
    let tls = |value: &[u8]| {
        let header = ProxyHeader::unknown(ProxyVersion::V2)
            .with_tlv(ProxyTlv::SSL, value)
            .unwrap();
        header
            .tls()
            .map(|tls| (tls.has_certificate(), tls.is_verified()))
    };
    assert_eq!(tls(b"\x03\0\0\0\x01"), Some((true, false)));
    assert_eq!(tls(b"\x01\0\0\0\0"), Some((false, false)));
    assert_eq!(tls(b"\x01\0\0\0"), None);

    // Each octet that the checksum is of.
    let header = ProxyHeader::new(
        ProxyVersion::V2,
        "203.0.113.5:50000".parse().unwrap(),
        "198.51.100.1:1080".parse().unwrap(),
    );
    let checked = header
        .with_checksum()
        .unwrap()
        .with_tlv(ProxyTlv::NOOP, b"..")
        .unwrap();
    let frame = checked.encode();
    assert_eq!(frame.len(), 16 + 12 + 7 + 5);
    assert_eq!(decoded(&frame).tlv(ProxyTlv::CRC32C).unwrap(), CHECKSUM);
    // Without those of the length, which has more to come, and of the type, without which there is none.
    for at in (13..frame.len()).filter(|at| ![14, 15, 28].contains(at)) {
        let mut wrong = frame.clone();
        wrong[at] ^= 0x10;
        let refused = ProxyHeader::decode(&wrong);
        assert!(
            refused.is_err() || matches!(refused, Ok(Decoded::Need(_))),
            "{at}: {refused:?}"
        );
    }
    let mut wrong = frame.clone();
    wrong[16] ^= 0x10;
    assert_eq!(refused(&wrong), (InvalidProxyHeader::Checksum, frame.len()));
    // Also of a health check.
    let frame = ProxyHeader::local().with_checksum().unwrap().encode();
    assert!(decoded(&frame).is_local());
    let mut wrong = frame.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&wrong), (InvalidProxyHeader::Checksum, frame.len()));
    // Of another length, and two of them.
    for tlvs in [&b"\x03\x00\x03abc"[..], b"\x03\x00\x04abcd\x03\x00\x04abcd"] {
        let frame = v2(0x21, 0x11, &[V4, tlvs].concat());
        assert_eq!(refused(&frame), (InvalidProxyHeader::Tlv, frame.len()));
    }
}

#[test]
fn what_is_written() {
    let (v4, v6) = (
        "203.0.113.5:50000".parse().unwrap(),
        "[2001:db8::1]:1080".parse().unwrap(),
    );
    let written = |header: ProxyHeader| {
        let octets = header.encode();
        assert_eq!(decoded(&octets), header);
        octets.escape_ascii().to_string()
    };
    let v1 = |source, destination| written(ProxyHeader::new(ProxyVersion::V1, source, destination));
    assert_eq!(
        v1(v4, v4),
        r"PROXY TCP4 203.0.113.5 203.0.113.5 50000 50000\r\n"
    );
    assert_eq!(
        v1(v6, v6),
        r"PROXY TCP6 2001:db8::1 2001:db8::1 1080 1080\r\n"
    );
    // One family for both.
    assert_eq!(
        v1(v4, v6),
        r"PROXY TCP6 ::ffff:203.0.113.5 2001:db8::1 50000 1080\r\n"
    );
    assert_eq!(
        v1(v6, v4),
        r"PROXY TCP6 2001:db8::1 ::ffff:203.0.113.5 1080 50000\r\n"
    );
    assert_eq!(
        written(ProxyHeader::unknown(ProxyVersion::V1)),
        r"PROXY UNKNOWN\r\n"
    );

    assert_eq!(
        ProxyHeader::unknown(ProxyVersion::V2).encode(),
        v2(0x21, 0x00, b"")
    );
    assert_eq!(ProxyHeader::local().encode(), v2(0x20, 0x00, b""));
    let header = ProxyHeader::new(ProxyVersion::V2, v6, v4)
        .with_tlv(0xe1, b"own")
        .unwrap();
    let rest = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\x00\x71\x05\x04\x38\xc3\x50\xe1\x00\x03own";
    assert_eq!(
        header.encode(),
        v2(0x21, 0x21, &[&V6[16..32], rest].concat())
    );

    // Version 1 has no room for items, and version 2 as much as its length can state.
    let error = ProxyHeader::unknown(ProxyVersion::V1)
        .with_checksum()
        .unwrap_err();
    assert_eq!(error, InvalidProxyHeader::Version(1));
    let header = ProxyHeader::unknown(ProxyVersion::V2);
    let full = header.clone().with_tlv(0xe0, &vec![7; 65_496]).unwrap();
    assert_eq!(decoded_at_once(&full.encode()), full);
    assert_eq!(
        full.with_tlv(0xe0, b"").unwrap_err(),
        InvalidProxyHeader::TooLong
    );
    assert_eq!(
        header.with_tlv(0xe0, &[0; 65_536]).unwrap_err(),
        InvalidProxyHeader::TooLong
    );
}

fn decoded_at_once(octets: &[u8]) -> ProxyHeader {
    match ProxyHeader::decode(octets).unwrap() {
        Decoded::Done(header, _) => header,
        Decoded::Need(missing) => panic!("{missing} are missing"),
    }
}

#[test]
fn the_length_is_known_early() {
    let frame = v2(0x21, 0x11, V4);
    assert_eq!(ProxyHeader::stated_len(&frame), Some(28));
    assert_eq!(ProxyHeader::stated_len(&frame[..16]), Some(28));
    assert_eq!(ProxyHeader::stated_len(&frame[..15]), None);
    assert_eq!(ProxyHeader::stated_len(b"PROXY UNKNOWN\r\n"), None);
}
