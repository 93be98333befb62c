//! Keys by which limits are counted.
//!
//! A limit is counted by a key that a function takes from the request: one of these, or a closure
//! `|request: &Request| -> Option<K>`. Requests with one key share one count. `None` is not limited.

use std::{fmt, hash::Hash, net::IpAddr};

pub use crate::session::{User, UserOrClient};
use crate::{
    admission::{self, network_of},
    proto::Address,
    session::Request,
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

/// Counts by the name of the identity, or by the client's address where it is anonymous.
#[must_use]
pub fn user_or_client(request: &Request) -> Option<UserOrClient> {
    UserOrClient::of(request)
}

/// Counts by the client's address. IPv6 clients have a /64 each, since a host can have all of it. Clients
/// without an address, on a Unix socket, are not limited.
#[must_use]
pub fn client(request: &Request) -> Option<IpAddr> {
    admission::client_network(request.peer.ip())
}

/// Counts by the network of the client's address, with prefixes of so many bits for IPv4 and IPv6.
pub fn client_network(v4: u8, v6: u8) -> impl KeyExtractor<Key = IpAddr> {
    move |request: &Request| network_of(request.peer.ip(), v4, v6)
}

/// Counts by the target as stated, name and port.
#[must_use]
pub fn target(request: &Request) -> Option<Address> {
    Some(request.target.clone())
}
