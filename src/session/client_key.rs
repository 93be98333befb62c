//! The keys by which shares of clients are counted.

use std::{fmt, net::IpAddr, sync::Arc};

use super::{Identity, Request};
use crate::admission::client_network;

/// The key of [`key::user`](crate::layer::key::user): a name, octet by octet.
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

/// The key of [`key::user_or_client`](crate::layer::key::user_or_client). A user whose name reads like an address is a user.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserOrClient {
    /// A client with a name.
    User(User),
    /// An anonymous one, by its network: see [`key::client`](crate::layer::key::client).
    Client(IpAddr),
}

impl UserOrClient {
    /// Returns the key of a request: its user, or the network of its client. `None` for an anonymous
    /// client without an address, on a Unix socket.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        Self::new(&request.identity, request.peer.ip())
    }

    /// Returns the key of a client with this identity and address.
    pub(crate) fn new(identity: &Identity, client: IpAddr) -> Option<Self> {
        match identity.name() {
            Some(name) => Some(Self::User(User::named(name))),
            None => client_network(client).map(Self::Client),
        }
    }
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
