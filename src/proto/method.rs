use std::fmt;

/// An authentication method (RFC 1928 section 3, METHOD).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(pub u8);

impl Method {
    /// X'00': no authentication required.
    pub const NO_AUTHENTICATION: Self = Self(0x00);
    /// X'01': GSSAPI (RFC 1961).
    pub const GSSAPI: Self = Self(0x01);
    /// X'02': username/password (RFC 1929).
    pub const USERNAME_PASSWORD: Self = Self(0x02);
    /// X'FF': none of the offered methods is acceptable. Selected, never offered.
    pub const NO_ACCEPTABLE: Self = Self(0xff);

    /// Returns `true` for the range that RFC 1928 reserves for private methods, X'80' to X'FE'.
    #[must_use]
    pub const fn is_private(self) -> bool {
        matches!(self.0, 0x80..=0xfe)
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({:#04x})", self.0)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NO_AUTHENTICATION => f.write_str("no authentication"),
            Self::GSSAPI => f.write_str("GSSAPI"),
            Self::USERNAME_PASSWORD => f.write_str("username/password"),
            Self::NO_ACCEPTABLE => f.write_str("no acceptable method"),
            Self(other) => write!(f, "method {other:#04x}"),
        }
    }
}

/// The methods that a client offers: a set, since RFC 1928 gives their order no meaning.
///
/// ```
/// use tower_socks::proto::{Method, MethodSet};
///
/// let offered: MethodSet = [Method::NO_AUTHENTICATION, Method(0x80)].into_iter().collect();
/// assert!(offered.contains(Method(0x80)));
/// assert!(!offered.contains(Method::GSSAPI));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MethodSet {
    low: u128,
    high: u128,
}

impl MethodSet {
    /// Creates an empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { low: 0, high: 0 }
    }

    /// Adds a method.
    pub const fn insert(&mut self, Method(octet): Method) {
        if octet < 128 {
            self.low |= 1 << octet;
        } else {
            self.high |= 1 << (octet - 128);
        }
    }

    /// Returns `true` if the method is in the set.
    #[must_use]
    pub const fn contains(&self, Method(octet): Method) -> bool {
        if octet < 128 {
            self.low & (1 << octet) != 0
        } else {
            self.high & (1 << (octet - 128)) != 0
        }
    }

    /// Returns `true` if the set is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.low == 0 && self.high == 0
    }

    /// Iterates over the methods, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Method> + '_ {
        let half = |mut bits: u128, first: u8| {
            std::iter::from_fn(move || {
                let lowest = u8::try_from(bits.trailing_zeros()).ok()?;
                // Without the lowest of its bits; `None` once there is none.
                bits &= bits.checked_sub(1)?;
                first.checked_add(lowest).map(Method)
            })
        };
        half(self.low, 0).chain(half(self.high, 128))
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        let mut set = Self::new();
        for method in methods {
            set.insert(method);
        }
        set
    }
}

impl From<Method> for MethodSet {
    fn from(method: Method) -> Self {
        Self::from_iter([method])
    }
}

impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
