//! Special-purpose names: what another resolver would look for in its own network.

use std::fmt;

/// A name that stands for something in the network of the resolver that is asked, and all names below it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SpecialName {
    name: &'static str,
    purpose: &'static str,
}

impl SpecialName {
    const fn new(name: &'static str, purpose: &'static str) -> Self {
        Self { name, purpose }
    }

    /// The length of the shortest name in `to` that states it.
    pub(super) const fn least(&self) -> usize {
        match self.name.len() {
            0 => usize::MAX,
            len => len,
        }
    }
}

impl fmt::Display for SpecialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.purpose)?;
        match self.name {
            "" => Ok(()),
            name => write!(f, ", {name}"),
        }
    }
}

/// IANA's special-use domain names that can lead into a network of one's own, and the undelegated ones
/// that are used so. `onion` is not among them: an upstream that knows such names is there for them.
const NAMES: [SpecialName; 13] = [
    SpecialName::new("localhost", "the resolver's own host (RFC 6761)"),
    SpecialName::new("local", "link-local names (RFC 6762)"),
    SpecialName::new("internal", "private use (ICANN resolution 2024.07.29.06)"),
    SpecialName::new("home.arpa", "residential networks (RFC 8375)"),
    SpecialName::new("service.arpa", "service registration (RFC 9665)"),
    SpecialName::new("resolver.arpa", "the resolver itself (RFC 9462)"),
    SpecialName::new("ipv4only.arpa", "the network's NAT64 (RFC 8880)"),
    SpecialName::new("test", "testing (RFC 6761)"),
    SpecialName::new("intranet", "private use (RFC 6762 appendix G)"),
    SpecialName::new("private", "private use (RFC 6762 appendix G)"),
    SpecialName::new("corp", "private use (RFC 6762 appendix G)"),
    SpecialName::new("home", "private use (RFC 6762 appendix G)"),
    SpecialName::new("lan", "private use (RFC 6762 appendix G)"),
];

/// What search domains complete, each resolver by its own.
const SINGLE_LABEL: SpecialName = SpecialName::new("", "a name of a single label");

/// The special-purpose name that a name in normal form is, or lies below.
pub(super) fn special(name: &str) -> Option<&'static SpecialName> {
    let is_at_or_below = |special: &&SpecialName| {
        name.strip_suffix(special.name)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    NAMES
        .iter()
        .find(is_at_or_below)
        .or_else(|| (!name.contains('.')).then_some(&SINGLE_LABEL))
}
