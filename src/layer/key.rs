//! What limits are counted by.
//!
//! A limit is counted by a key that a function takes from the request: one of these, or a closure
//! `|request: &Request| -> Option<K>`. Requests with one key share one count. `None` is not limited.

use std::{
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{proto::Address, session::Request};

/// A function from a request to what it is counted by. Closures are.
pub trait KeyExtractor: Clone + Send + Sync + 'static {
    /// What it is counted by. The log shows it.
    type Key: Hash + Eq + Clone + fmt::Debug + Send + Sync + 'static;

    /// The key of a request; `None`, if it is not limited.
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

/// All requests together.
#[must_use]
pub const fn global(_: &Request) -> Option<Global> {
    Some(Global)
}

/// The key of [`global`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Global;

/// The user's name, of those who have one.
#[must_use]
pub fn user(request: &Request) -> Option<Box<str>> {
    let name = request.identity.name()?;
    Some(String::from_utf8_lossy(name).into())
}

/// The user, or the client's address for those without a name.
#[must_use]
pub fn user_or_client(request: &Request) -> Option<Box<str>> {
    user(request).or_else(|| client(request).map(|ip| ip.to_string().into()))
}

/// The client's address. IPv6 clients have a /64 each, since a host can have all of it. Clients
/// without an address, on a Unix socket, are not limited.
#[must_use]
pub fn client(request: &Request) -> Option<IpAddr> {
    of_network(request.peer.ip(), 32, 64)
}

/// The network of the client's address, with prefixes of so many bits for IPv4 and IPv6.
pub fn client_network(v4: u8, v6: u8) -> impl KeyExtractor<Key = IpAddr> {
    move |request: &Request| of_network(request.peer.ip(), v4, v6)
}

/// The target as stated, name and port.
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
