use super::*;

/// The first example of RFC 2865 section 7.1.
#[test]
fn passwords_are_hidden_as_in_the_example() {
    let authenticator = *b"\x0f\x40\x3f\x94\x73\x97\x80\x57\xbd\x83\xd5\xcb\x98\xf4\x22\x7a";
    let mut attributes = Attributes::default();
    attributes.add_password(2, b"arctangent", b"xyzzy5461", &authenticator);
    let hidden = b"\x02\x12\x0d\xbe\x70\x8d\x93\xd4\x13\xce\x31\x96\xe4\x3f\x78\x2a\x0a\xee";
    assert_eq!(attributes.0, hidden);

    let accept =
        b"\x02\x00\x00\x26\x86\xfe\x22\x0e\x76\x24\xba\x2a\x10\x05\xf6\xbf\x9b\x55\xe0\xb2\
                   \x06\x06\x00\x00\x00\x01\x0f\x06\x00\x00\x00\x00\x0e\x06\xc0\xa8\x01\x03";
    let answer = Answer::read(accept).unwrap();
    assert!(answer.is_authentic(&authenticator, b"xyzzy5461"));
    assert!(!answer.is_authentic(&authenticator, b"xyzzy5460"));
    assert_eq!(answer.is_signed(&authenticator, b"xyzzy5461"), None);
    assert_eq!(answer.number(6), Some(1));
}

#[test]
fn what_is_no_answer_is_not_read() {
    let packet = Attributes(vec![1, 3, 7, 2, 2]).packet(2, 9, &[1; 16]);
    assert!(Answer::read(&packet).is_some());
    for len in 0..packet.len() {
        assert!(Answer::read(&packet[..len]).is_none(), "{len}");
    }
    for attributes in [vec![1], vec![1, 0], vec![1, 1], vec![1, 3], vec![1, 2, 9]] {
        let packet = Attributes(attributes.clone()).packet(2, 9, &[1; 16]);
        assert!(Answer::read(&packet).is_none(), "{attributes:?}");
    }
    let mut long = packet;
    long.push(0);
    assert!(Answer::read(&long).is_some());
    long[2] = 255;
    assert!(Answer::read(&long).is_none());
}

#[test]
fn vendors_may_send_anything() {
    let numbers = [
        (&[26, 12, 0, 0, 0x37, 0x2a, 7, 6, 0, 0, 1, 0][..], Some(256)),
        (
            &[26, 15, 0, 0, 0x37, 0x2a, 8, 3, 9, 7, 6, 0, 0, 1, 0],
            Some(256),
        ),
        (&[26, 12, 0, 0, 0x37, 0x2b, 7, 6, 0, 0, 1, 0], None),
        (&[26, 11, 0, 0, 0x37, 0x2a, 7, 5, 0, 0, 1], None),
        (&[26, 8, 0, 0, 0x37, 0x2a, 7, 0], None),
        (&[26, 6, 0, 0, 0x37, 0x2a], None),
        (&[26, 2], None),
    ];
    for (attribute, number) in numbers {
        let packet = Attributes(attribute.to_vec()).packet(2, 9, &[1; 16]);
        let answer = Answer::read(&packet).unwrap();
        assert_eq!(answer.number_of_vendor(14122, 7), number, "{attribute:?}");
    }
}

#[test]
fn a_packet_that_is_full_ends_with_an_attribute() {
    for len in [1, 3, 100, 253] {
        let mut attributes = Attributes::default();
        for _ in 0..3000 {
            attributes.add(18, &vec![7; len]);
        }
        let packet = attributes.access_request(1, &[0; 16], b"secret");
        assert!((LONGEST - len - 2..=LONGEST).contains(&packet.len()));
        let answer = Answer::read(&packet).unwrap();
        assert_eq!(answer.all(18).last().unwrap(), vec![7; len]);
        let (accounted, _) = attributes.accounting_request(1, b"secret");
        assert_eq!(
            Answer::read(&accounted).unwrap().all(18).count(),
            answer.all(18).count()
        );
    }
}
