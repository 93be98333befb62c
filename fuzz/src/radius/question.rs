use super::{
    expected::{SECRET, attributes, hmac, md5, pad},
    packet::{Attributes, LONGEST_PASSWORD},
};

const AUTHENTICATOR: [u8; 16] = *b"fedcba9876543210";

/// What we send is a packet, whatever is in it, and a server finds all of it.
pub(super) fn sent(data: &[u8]) {
    let password = &data[..data.len().min(LONGEST_PASSWORD)];
    let mut own = Attributes::default();
    own.add(1, data);
    own.add_password(2, password, SECRET, &AUTHENTICATOR);
    for part in data.chunks(1 + usize::from(data.first().copied().unwrap_or(0))) {
        own.add(18, part);
    }
    own.add_number(6, 1);

    let mut asked = own.access_request(9, &AUTHENTICATOR, SECRET);
    let found = attributes(&asked).expect("a packet");
    assert!(asked.len() <= 4096);
    assert_eq!(asked[..2], [1, 9]);
    assert_eq!(asked[4..22], [&AUTHENTICATOR[..], &[80, 18]].concat());
    let signature = asked[22..38].to_vec();
    asked[22..38].fill(0);
    assert_eq!(hmac(&asked), signature);
    values(&found, data, password);

    let (mut accounted, authenticator) = own.accounting_request(9, SECRET);
    let found = attributes(&accounted).expect("a packet");
    assert!(accounted.len() <= 4096);
    assert_eq!(accounted[4..20], authenticator);
    accounted[4..20].fill(0);
    assert_eq!(md5(&accounted), authenticator);
    values(&found, data, password);
}

fn values(found: &[(u8, Vec<u8>)], data: &[u8], password: &[u8]) {
    let mut names = found.iter().filter(|(kind, _)| *kind == 1);
    let name = names.next().map(|(_, value)| &**value);
    // What is too long is left out, and what is empty is none.
    assert_eq!(name, (1..=253).contains(&data.len()).then_some(data));
    assert!(names.next().is_none());
    let hidden = found.iter().find(|(kind, _)| *kind == 2);
    let hidden = hidden.map(|(_, value)| &**value).unwrap_or_default();
    assert_eq!(hidden.len(), password.len().next_multiple_of(16));
    let mut before = AUTHENTICATOR.to_vec();
    let mut plain = Vec::new();
    for block in hidden.chunks(16) {
        let pad = pad(&before);
        plain.extend(block.iter().zip(pad).map(|(octet, pad)| octet ^ pad));
        before = block.to_vec();
    }
    let (own, padding) = plain.split_at(password.len());
    assert_eq!(own, password);
    assert!(padding.iter().all(|octet| *octet == 0));
}
