use super::{
    ber,
    dn::{self, Dn},
    filter::{Filter, Places},
};

/// A DN, a NUL, the name of a user, a NUL, and a filter: no name is more than a value of the one and of the other.
pub fn ldap_names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (dn, name, filter) = (part(), part(), part());
    parsed(dn);
    if !name.is_empty() {
        escaped(name);
    }
    for filter in [
        filter,
        "(&(objectClass=person)(|(uid={user})(member={dn})))",
    ] {
        encoded(filter, name, dn);
    }
}

fn parsed(text: &str) {
    let Some(dn) = Dn::parse(text) else {
        return;
    };
    assert!(!dn.first.is_empty());
    assert!(!dn.is_below(&dn));
    let below = Dn::parse(&format!("cn=one,{text}")).expect("a name below a name");
    assert!(below.is_below(&dn) && !dn.is_below(&below));
    assert_eq!(below.first, "one");
    // Capitals and spaces around are the same name.
    let spaced = Dn::parse(&format!("cn = one , {text}")).expect("with spaces");
    assert_eq!(spaced, below);
}

/// A name in a DN is a value there, and the same one when it is read.
fn escaped(name: &str) {
    let base = Dn::parse("ou=people,dc=x").expect("a base");
    let text = format!("uid={},ou=people,dc=x", dn::escape(name));
    let dn = Dn::parse(&text).unwrap_or_else(|| panic!("{text:?} is no name"));
    assert_eq!(dn.first, name);
    assert!(dn.is_below(&base), "{text:?}");
    // Right below, and by one attribute.
    let other = Dn::parse(&format!("cn=x,{text}")).expect("a name");
    assert!(other.is_below(&dn) && !dn.is_below(&dn));
    let behind = format!("dc=a,uid=b+cn={}", dn::escape(name));
    let behind = Dn::parse(&behind).expect("of two attributes");
    assert_eq!(behind.first, "a");
}

/// Another name of as many octets changes no octet of a filter but its own.
fn encoded(text: &str, user: &str, dn: &str) {
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(problem) => return assert!(!problem.is_empty()),
    };
    let places = [user, dn].map(|it| "\u{1}".repeat(it.len()));
    let encoded = filter.encode(Places { user, dn });
    let [other_user, other_dn] = &places;
    let others = filter.encode(Places {
        user: other_user,
        dn: other_dn,
    });
    assert_eq!(encoded.len(), others.len());
    let changed = encoded.iter().zip(&others).filter(|(one, two)| one != two);
    let changed: Vec<_> = changed.collect();
    assert!(changed.iter().all(|(_, other)| **other == 1));
    assert!(filter.names_user() || changed.is_empty());
    // It is one element.
    let (header, len) = ber::header(&encoded).expect("valid").expect("whole");
    assert_eq!(header + len, encoded.len());
}
