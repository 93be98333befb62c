use std::fmt;

/// A protocol in which clients make their requests.
///
/// ```
/// use tower_socks::session::Protocol;
///
/// assert_eq!(Protocol::Socks4.to_string(), "socks4");
/// assert_eq!("http".parse(), Ok(Protocol::Http));
/// assert!("gopher".parse::<Protocol>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// SOCKS5 (RFC 1928).
    #[default]
    Socks5,
    /// SOCKS4 and SOCKS4a.
    Socks4,
    /// HTTP/1.1: CONNECT, and requests for a whole URL (RFC 9110, RFC 9112).
    Http,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Socks5, Self::Socks4, Self::Http];

    /// Returns its name, as it is written in rules and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Socks4 => "socks4",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        let mut all = Self::ALL.into_iter();
        all.find(|protocol| protocol.name() == name)
            .ok_or(UnknownProtocol(()))
    }
}

/// A name that no [`Protocol`] has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProtocol(());

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a protocol: use \"socks5\", \"socks4\" or \"http\"")
    }
}

impl std::error::Error for UnknownProtocol {}
