//! Keys by which limits are counted.
//!
//! A limit is counted by a key that a function takes from the request: one of these, or a closure
//! `|request: &Request| -> Option<K>`. Requests with one key share one count. `None` is not limited.

use std::{
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crate::{
    proto::Address,
    session::{Identity, Request},
};

/// Extracts the key of a request. Closures do.
pub trait KeyExtractor: Clone + Send + Sync + 'static {
    /// The key. The log shows it as `Debug` writes it.
    type Key: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static;

    /// Extracts the key; `None`, if the request is not limited.
    fn key(&self, request: &Request) -> Option<Self::Key>;
}

impl<F, K> KeyExtractor for F
where
    F: Fn(&Request) -> Option<K> + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static,
{
    type Key = K;

    fn key(&self, request: &Request) -> Option<K> {
        self(request)
    }
}

/// Counts all requests together.
#[must_use]
pub const fn global(_: &Request) -> Option<Global> {
    Some(Global)
}

/// The key of [`global`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Global;

/// Counts by the name of the identity. Anonymous clients are not limited.
///
/// ```
/// use tower_socks::{Identity, Request, layer::key::{self, User}, proto::{Address, Command}};
///
/// let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
/// assert_eq!(key::user(&request), None);
/// request.identity = Identity::named(b"jos\xe9"); // Latin-1, and no UTF-8
/// assert_eq!(key::user(&request), Some(User::named(b"jos\xe9")));
/// assert_eq!(format!("{:?}", User::named(b"jos\xe9")), r#""jos\xe9""#);
/// ```
#[must_use]
pub fn user(request: &Request) -> Option<User> {
    request.identity.name().map(User::named)
}

/// The key of [`user`]: a name, octet by octet.
///
/// Names are equal only if all their octets are, whether they are UTF-8 or not. As text
/// (`Display`, and with quotes around it `Debug`) it is what the log has for an
/// [`Identity`], where no two names look the same either.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct User(Arc<[u8]>);

impl User {
    /// Creates the key of clients with this name.
    pub fn named(name: impl AsRef<[u8]>) -> Self {
        Self(name.as_ref().into())
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for User {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Identity::named(self.name()).fmt(f)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Counts by the name of the identity, or by the client's address where it is anonymous.
#[must_use]
pub fn user_or_client(request: &Request) -> Option<UserOrClient> {
    let user = user(request).map(UserOrClient::User);
    user.or_else(|| client(request).map(UserOrClient::Client))
}

/// The key of [`user_or_client`]. A user whose name reads like an address is a user.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserOrClient {
    /// A client with a name.
    User(User),
    /// An anonymous one, as [`client`] has it.
    Client(IpAddr),
}

/// The name in quotes, or the address without.
impl fmt::Debug for UserOrClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => fmt::Debug::fmt(user, f),
            Self::Client(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// Counts by the client's address. IPv6 clients have a /64 each, since a host can have all of it. Clients
/// without an address, on a Unix socket, are not limited.
#[must_use]
pub fn client(request: &Request) -> Option<IpAddr> {
    of_network(request.peer.ip(), 32, 64)
}

/// Counts by the network of the client's address, with prefixes of so many bits for IPv4 and IPv6.
pub fn client_network(v4: u8, v6: u8) -> impl KeyExtractor<Key = IpAddr> {
    move |request: &Request| of_network(request.peer.ip(), v4, v6)
}

/// Counts by the target as stated, name and port.
#[must_use]
pub fn target(request: &Request) -> Option<Address> {
    Some(request.target.clone())
}

/// The first address of the network that an address is in.
pub(super) fn of_network(address: IpAddr, v4: u8, v6: u8) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_unspecified() {
        return None;
    }
    Some(match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4.min(32)));
            Ipv4Addr::from_bits(ip.to_bits() & mask.unwrap_or(0)).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6.min(128)));
            Ipv6Addr::from_bits(ip.to_bits() & mask.unwrap_or(0)).into()
        }
    })
}
