use std::{fmt, net::IpAddr};

use crate::session::Share;

/// Whom attempts to log in are counted by.
///
/// Names are [hashes](FailedLoginStore::hash) of them: names may be long, and come from strangers. [`Display`](fmt::Display)
/// writes a key without blanks, such as `client:192.0.2.1` and `name:192.0.2.0:00c0ffee00c0ffee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginKey {
    /// A client network: an IPv4 address or an IPv6 /64.
    Client(IpAddr),
    /// An IPv4 /24 or an IPv6 /48.
    Site(IpAddr),
    /// A name, as stated from one site. `None` is a client without an address.
    NameFromSite(Option<IpAddr>, u64),
    /// A name, from everywhere.
    Name(u64),
    /// A name in a client network where it has logged in before.
    Known(IpAddr, u64),
    /// A client network whose authentication method states no names.
    Nameless(IpAddr),
}

impl fmt::Display for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => write!(f, "client:{client}"),
            Self::Site(site) => write!(f, "site:{site}"),
            Self::NameFromSite(Some(site), name) => write!(f, "name:{site}:{name:016x}"),
            Self::NameFromSite(None, name) => write!(f, "name:none:{name:016x}"),
            Self::Name(name) => write!(f, "name:{name:016x}"),
            Self::Known(client, name) => write!(f, "known:{client}:{name:016x}"),
            Self::Nameless(client) => write!(f, "nameless:{client}"),
        }
    }
}

/// What a [`FailedLoginStore`] knows of those whom an attempt counts for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginHistory {
    /// Failures of each key that was asked about, in its place, without those that are forgiven. What is missing is 0.
    pub failures: Vec<u32>,
    /// Whether the name has logged in from the client network in the last day.
    pub is_known: bool,
}

impl LoginHistory {
    /// Creates a history of failures alone.
    #[must_use]
    pub const fn new(failures: Vec<u32>) -> Self {
        Self {
            failures,
            is_known: false,
        }
    }

    /// Says that the name has logged in from the client network.
    #[must_use]
    pub const fn known(mut self, is_known: bool) -> Self {
        self.is_known = is_known;
        self
    }
}

/// Remembers failed logins where several proxies can share them: for
/// [`FailedLoginsLayer::with_store`](super::FailedLoginsLayer::with_store).
///
/// Each proxy remembers what it has seen itself as well, and goes by the larger of the two, so that a store that is away, or
/// forgets, takes nothing from what one proxy alone would do. Attempts at once are counted by each proxy for itself.
pub trait FailedLoginStore: Send + Sync + 'static {
    /// Hashes a name, in all proxies to the same number, with a key that strangers do not know.
    fn hash(&self, name: &[u8]) -> u64;

    /// Returns what is known of those whom an attempt counts for, before it is made.
    ///
    /// It must not block. An attempt waits for an answer that comes [later](Share::Later), within the deadline of its
    /// handshake.
    fn history(&self, of: &[LoginKey]) -> Share<LoginHistory>;

    /// Counts a failure of each, beyond so many of it none: more would last longer than a single proxy remembers. One of them
    /// is to be forgiven each minute.
    fn failed(&self, of: &[(LoginKey, u32)]);

    /// Notes that a name has logged in from a client network, for a day.
    fn succeeded(&self, client: IpAddr, name: u64);
}
