use super::{
    expected::{self, SECRET, all, attributes, hmac, md5, packet},
    packet::Answer,
};

/// What the request has that is answered.
const REQUEST: [u8; 16] = *b"0123456789abcdef";

/// Where the first attribute of a packet is.
const HEADER: usize = 20;

/// Any octets at all.
pub(super) fn read(data: &[u8]) {
    let Some(expected) = attributes(data) else {
        assert!(Answer::read(data).is_none());
        return;
    };
    let answer = Answer::read(data).expect("what another one reads");
    assert_eq!((answer.code, answer.identifier), (data[0], data[1]));
    let found = answer.attributes();
    assert!(found.eq(expected.iter().map(|(kind, value)| (*kind, &**value))));
    for kind in [1, 11, 26, 80] {
        let values = expected.iter().filter(|(other, _)| *other == kind);
        let values: Vec<_> = values.map(|(_, value)| &**value).collect();
        assert_eq!(answer.all(kind).collect::<Vec<_>>(), values);
        let first = values.first().and_then(|value| number(value));
        assert_eq!(answer.number(kind), first);
    }
    let vendors = expected.iter().filter(|(kind, _)| *kind == 26);
    let vendors = vendors.filter_map(|(_, value)| value.strip_prefix(&[0, 0, 0x37, 0x2a]));
    let vendors: Option<Vec<_>> = vendors.map(all).collect();
    // What is malformed has no meaning, and must not be anybody's undoing.
    let found = answer.number_of_vendor(14122, 7);
    if let Some(vendors) = vendors {
        let first = vendors.iter().find_map(|attributes| {
            let (_, value) = attributes.iter().find(|(kind, _)| *kind == 7)?;
            number(value)
        });
        assert_eq!(found, first);
    }
    // Nobody has signed it.
    assert!(!answer.is_authentic(&REQUEST, SECRET));
    let has_signature = expected.iter().any(|(kind, _)| *kind == 80);
    let expected = has_signature.then_some(false);
    assert_eq!(answer.is_signed(&REQUEST, SECRET), expected);
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// The octets as attributes of a packet of somebody who knows the secret.
pub(super) fn signed(data: &[u8]) {
    let data = &data[..data.len().min(4000)];
    let Some(known) = all(data) else {
        return;
    };
    let has_signature = known.iter().any(|(kind, _)| *kind == 80);
    // In front of what is there, and behind it.
    for (before, after) in [(&[][..], data), (data, &[][..])] {
        let attributes = [before, &[80, 18], &[0; 16], after].concat();
        let mut octets = packet(2, 7, &REQUEST, &attributes);
        let at = HEADER + before.len() + 2;
        let signature = hmac(&octets);
        octets[at..at + 16].copy_from_slice(&signature);
        sign(&mut octets);
        // Two signatures are wrong, whatever is in them.
        check(&octets, Some(!has_signature), true);
        // A bit that is another one is found by both.
        let bit = data.iter().map(|octet| usize::from(*octet)).sum::<usize>() % (16 * 8);
        octets[at + bit / 8] ^= 1 << (bit % 8);
        check(&octets, Some(false), false);
        sign(&mut octets);
        check(&octets, Some(false), true);
    }
    let mut octets = packet(2, 7, &REQUEST, data);
    sign(&mut octets);
    check(&octets, has_signature.then_some(false), true);
    // Padding is none of it.
    octets.extend([80, 18]);
    check(&octets, has_signature.then_some(false), true);
    for at in [0, 1, 4, 19] {
        octets[at] ^= 1;
        check(&octets, has_signature.then_some(false), false);
        octets[at] ^= 1;
    }
}

/// Writes the Response Authenticator.
fn sign(octets: &mut [u8]) {
    octets[4..HEADER].copy_from_slice(&REQUEST);
    let authenticator = md5(octets);
    octets[4..HEADER].copy_from_slice(&authenticator);
}

fn check(octets: &[u8], is_signed: Option<bool>, is_authentic: bool) {
    assert!(expected::attributes(octets).is_some());
    let answer = Answer::read(octets).expect("a packet");
    assert_eq!(answer.is_signed(&REQUEST, SECRET), is_signed);
    assert_eq!(answer.is_authentic(&REQUEST, SECRET), is_authentic);
    let another = *b"0123456789abcdeF";
    assert!(!answer.is_authentic(&another, SECRET));
    assert!(!answer.is_authentic(&REQUEST, b"another secret"));
}
