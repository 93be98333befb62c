//! O1 to O6, of the messages alone: each octet, each prefix, and what is no message.

use proptest::{collection::vec, prelude::*};
use tower_socks::proto::{
    Address, Command, Decode, Decoded, DomainName, Error, FrameHeader, Framing, UdpOverTcp,
    UdpOverTcpRequest,
};

const FORMS: [Framing; 3] = [Framing::Connected, Framing::Addressed, Framing::ForwardUdp];

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A header with these octets has this address, and a payload of so many octets.
fn header(form: Framing, octets: &[u8], expected: Option<&str>, len: u16) {
    let behind = [octets, b"more"].concat();
    let decoded = form.decode_header(&behind).unwrap();
    let address = expected.map(|text| Ok(address(text)));
    let expected = FrameHeader { address, len };
    assert_eq!(decoded, Decoded::Done(expected, octets.len()));
    // Every prefix asks for no more than there is to come.
    for cut in 0..octets.len() {
        match form.decode_header(&octets[..cut]).unwrap() {
            Decoded::Need(missing) => assert!((1..=octets.len() - cut).contains(&missing)),
            done @ Decoded::Done(..) => panic!("{done:?} at {cut}"),
        }
    }
    if let Decoded::Done(FrameHeader { address, .. }, _) = decoded {
        let address = address.map_or(Address::UNSPECIFIED, Result::unwrap);
        let encoded = form.encode_header(&address, len.into());
        assert_eq!(encoded.as_deref(), Some(octets));
    }
}

#[test]
fn o1_to_o3_headers_octet_by_octet() {
    header(Framing::Connected, b"\x00\x00", None, 0);
    header(Framing::Connected, b"\x01\x02", None, 258);
    header(Framing::Connected, b"\xff\xff", None, 65_535);

    let form = Framing::Addressed;
    header(
        form,
        b"\x00\xc0\x00\x02\x01\x00\x35\x00\x04",
        Some("192.0.2.1:53"),
        4,
    );
    let v6 = b"\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35\xff\xff";
    header(form, v6, Some("[2001:db8::1]:53"), 65_535);
    header(
        form,
        b"\x02\x07a.b.c.d\x01\x00\x00\x00",
        Some("a.b.c.d:256"),
        0,
    );

    let form = Framing::ForwardUdp;
    header(
        form,
        b"\x00\x04\x0a\x01\xc0\x00\x02\x01\x00\x35",
        Some("192.0.2.1:53"),
        4,
    );
    let v6 = b"\x05\xc9\x16\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35";
    header(form, v6, Some("[2001:db8::1]:53"), 1_481);
    header(
        form,
        b"\x00\x00\x0e\x03\x07a.b.c.d\x01\x00",
        Some("a.b.c.d:256"),
        0,
    );
}

#[test]
fn o1_the_request_octet_by_octet() {
    for (octets, is_connect, destination) in [
        (
            &b"\x01\x01\xc0\x00\x02\x01\x00\x35"[..],
            true,
            "192.0.2.1:53",
        ),
        (b"\x00\x01\xc0\x00\x02\x01\x00\x35", false, "192.0.2.1:53"),
        (b"\x01\x03\x07a.b.c.d\x01\x00", true, "a.b.c.d:256"),
        (
            b"\x01\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35",
            true,
            "[2001:db8::1]:53",
        ),
    ] {
        let destination = address(destination);
        let expected = UdpOverTcpRequest {
            is_connect,
            destination,
        };
        let framing = if is_connect {
            Framing::Connected
        } else {
            Framing::Addressed
        };
        assert_eq!(expected.framing(), framing);
        assert_eq!(&*expected.encode(), octets);
        for cut in 0..octets.len() {
            match UdpOverTcpRequest::decode(&octets[..cut]).unwrap() {
                Decoded::Need(missing) => assert!((1..=octets.len() - cut).contains(&missing)),
                done @ Decoded::Done(..) => panic!("{done:?} at {cut}"),
            }
        }
        let behind = [octets, b"more"].concat();
        let decoded = UdpOverTcpRequest::decode(&behind);
        assert_eq!(decoded, Ok(Decoded::Done(expected, octets.len())));
    }
}

#[test]
fn o7_what_is_no_header_is_told_at_the_first_wrong_octet() {
    for (form, octets, error) in [
        (Framing::Addressed, &b"\x03"[..], Error::AddressType(3)),
        (Framing::Addressed, b"\xff", Error::AddressType(255)),
        (Framing::ForwardUdp, b"\0\0\x0a\x00", Error::AddressType(0)),
        (Framing::ForwardUdp, b"\0\0\x0a\x02", Error::AddressType(2)),
        (
            Framing::ForwardUdp,
            b"\0\0\x09\x01\xc0\x00\x02\x01\x00\x35",
            Error::HeaderLength {
                stated: 9,
                found: 10,
            },
        ),
        (
            Framing::ForwardUdp,
            b"\0\0\x00\x03\x01a\x00\x35",
            Error::HeaderLength {
                stated: 0,
                found: 8,
            },
        ),
    ] {
        assert_eq!(form.decode_header(octets), Err(error));
        let before = &octets[..octets.len() - 1];
        assert!(matches!(form.decode_header(before), Ok(Decoded::Need(_))));
    }
}

#[test]
fn a_name_that_is_none_costs_its_frame_alone() {
    for octets in [
        &b"\x02\x00\x00\x35\x00\x04"[..],
        b"\x02\x03a<b\x00\x35\x00\x04",
        b"\x02\x02\xff\xfe\x00\x35\x00\x04",
    ] {
        let Ok(Decoded::Done(header, len)) = Framing::Addressed.decode_header(octets) else {
            panic!("{octets:?}");
        };
        assert_eq!((header.len, len), (4, octets.len()));
        header.address.unwrap().unwrap_err();
    }
    // Where it is the destination of all of them, it is the request that is wrong.
    let request = |is_connect: u8| [&[is_connect], &b"\x03\x00\x00\x35"[..]].concat();
    UdpOverTcpRequest::decode(&request(1)).unwrap_err();
    let expected = UdpOverTcpRequest {
        is_connect: false,
        destination: Address::UNSPECIFIED,
    };
    let decoded = UdpOverTcpRequest::decode(&request(0));
    assert_eq!(decoded, Ok(Decoded::Done(expected, 5)));
}

#[test]
fn o8_what_fits_into_no_frame_has_no_header() {
    let (v4, v6) = (address("192.0.2.1:53"), address("[2001:db8::1]:53"));
    let longest = Address::Name(DomainName::new(&"a".repeat(63)).unwrap(), 53);
    for form in [Framing::Connected, Framing::Addressed] {
        for address in [&v4, &v6, &longest] {
            assert!(form.encode_header(address, 65_535).is_some());
            assert!(form.encode_header(address, 65_536).is_none());
            assert_eq!(form.max_payload(address), 65_507);
        }
    }
    // LEN and the address are 1,500 octets at most; HDRLEN is one octet.
    for (address, len) in [(&v4, 1_500 - 7), (&v6, 1_500 - 19), (&longest, 1_500 - 67)] {
        assert!(Framing::ForwardUdp.encode_header(address, len).is_some());
        assert!(
            Framing::ForwardUdp
                .encode_header(address, len + 1)
                .is_none()
        );
        assert_eq!(Framing::ForwardUdp.max_payload(address), len);
    }
    // 3 octets, ATYP, the length of the name and PORT are in front of what is left for the name.
    for (len, fits) in [(255 - 7, true), (255 - 6, false)] {
        let labels = ["a", "b", "c", "d"].map(|label| label.repeat(50));
        let start = labels.join(".") + ".";
        let name = start.clone() + &"e".repeat(len - start.len());
        let name = DomainName::new(&name).unwrap();
        let header = Framing::ForwardUdp.encode_header(&Address::Name(name, 53), 1);
        assert_eq!(header.is_some(), fits);
    }
}

#[test]
fn requests_are_known_by_their_name_or_command() {
    let v2 = address("sp.v2.udp-over-tcp.arpa:443");
    for (command, target, expected) in [
        (
            Command::CONNECT,
            address("sp.udp-over-tcp.arpa:0"),
            Some(UdpOverTcp::V1),
        ),
        (Command::CONNECT, v2.clone(), Some(UdpOverTcp::V2)),
        (
            Command::CONNECT,
            address("SP.V2.udp-over-TCP.arpa.:1"),
            Some(UdpOverTcp::V2),
        ),
        (Command::CONNECT, address("udp-over-tcp.arpa:1"), None),
        (Command::CONNECT, address("192.0.2.1:1"), None),
        (Command::BIND, v2.clone(), None),
        (Command::UDP_ASSOCIATE, v2.clone(), None),
        (Command::FORWARD_UDP, v2, Some(UdpOverTcp::ForwardUdp)),
        (
            Command::FORWARD_UDP,
            Address::UNSPECIFIED,
            Some(UdpOverTcp::ForwardUdp),
        ),
    ] {
        assert_eq!(
            UdpOverTcp::of(command, &target),
            expected,
            "{command} {target}"
        );
        if let Some(protocol) = expected {
            let asked = UdpOverTcp::of(protocol.command(), &protocol.target());
            assert_eq!(asked, Some(protocol));
        }
    }
}

fn any_address() -> impl Strategy<Value = Address> {
    let v4 = any::<([u8; 4], u16)>().prop_map(|address| Address::Ip(address.into()));
    let v6 = any::<([u8; 16], u16)>().prop_map(|address| Address::Ip(address.into()));
    let name = ("[a-z]{1,60}(\\.[a-z]{1,60}){0,3}", any::<u16>());
    let name = name.prop_map(|(name, port)| Address::Name(DomainName::new(&name).unwrap(), port));
    prop_oneof![v4, v6, name]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(address in any_address(), len in 0..=65_535_usize, is_connect: bool) {
        for form in FORMS {
            let Some(octets) = form.encode_header(&address, len) else {
                prop_assert_eq!(form, Framing::ForwardUdp);
                continue;
            };
            let Decoded::Done(header, taken) = form.decode_header(&octets).unwrap() else {
                panic!("a whole header");
            };
            prop_assert_eq!(taken, octets.len());
            prop_assert!(taken <= Framing::MAX_HEADER);
            prop_assert_eq!(usize::from(header.len), len);
            let expected = (form != Framing::Connected).then(|| Ok(address.clone()));
            prop_assert_eq!(header.address, expected);
        }
        let request = UdpOverTcpRequest { is_connect, destination: address };
        let octets = request.encode();
        prop_assert!(octets.len() <= UdpOverTcpRequest::MAX_LEN);
        prop_assert_eq!(UdpOverTcpRequest::decode(&octets), Ok(Decoded::Done(request, octets.len())));
    }

    #[test]
    fn whatever_comes_is_judged_by_its_front(octets in vec(any::<u8>(), 0..300), more in vec(any::<u8>(), 0..10)) {
        let longer = [&octets[..], &more].concat();
        for form in FORMS {
            match form.decode_header(&octets) {
                Ok(Decoded::Done(header, taken)) => {
                    prop_assert!(taken <= octets.len());
                    prop_assert_eq!(form.decode_header(&longer), Ok(Decoded::Done(header, taken)));
                }
                Ok(Decoded::Need(missing)) => prop_assert!(missing > 0),
                Err(error) => prop_assert_eq!(form.decode_header(&longer), Err(error)),
            }
        }
    }
}
