//! What people write: addresses.

use tower_socks::proto::{Address, DomainName, InvalidName};

/// A host and a port as text, or a host alone.
pub fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match DomainName::new(&text) {
        // A normal form has itself as its normal form.
        Ok(name) => assert_eq!(DomainName::new(&name).as_ref(), Ok(&name)),
        Err(InvalidName::Literal) => assert!(Address::new(&text, 443).is_ok()),
        Err(problem) => assert_eq!(Address::new(&text, 443), Err(problem)),
    }
    if let Ok(address) = text.parse::<Address>() {
        settled(&address);
    }
    let Ok(address) = Address::new(&text, 443) else {
        return;
    };
    assert_eq!(address.port(), 443);
    settled(&address);
    // Whatever the standard library takes for an address is that address, and no name.
    if let Ok(ip) = text.parse::<std::net::IpAddr>() {
        assert_eq!(address.ip().map(|it| it.ip()), Some(ip.to_canonical()));
    }
}

/// Zones are of this machine, and do not travel.
fn without_zone(address: &Address) -> Address {
    match address {
        Address::Ip(address) => Address::Ip((address.ip(), address.port()).into()),
        Address::Name(..) => address.clone(),
    }
}

/// An address that is read is in its canonical form, and comes out of its own text again.
fn settled(address: &Address) {
    assert_eq!(address.clone().canonical(), Ok(without_zone(address)));
    assert_eq!(address.to_string().parse().as_ref(), Ok(address));
    if let Some(name) = address.name() {
        // No resolver may read an address out of it.
        assert!(name.parse::<std::net::IpAddr>().is_err());
        assert!(!name.is_empty() && name.len() <= DomainName::MAX_LEN);
    }
}
