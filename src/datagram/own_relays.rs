//! The sockets at which this process takes the datagrams of clients.
//!
//! A datagram that is sent to one of them has come through the proxy already: two associations, each
//! the client of the other, would feed each other for ever.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::proto::canonical;

/// The relays, how many of each address, since several may be told to clients by one public address.
static RELAYS: RwLock<BTreeMap<(u16, IpAddr), usize>> = RwLock::new(BTreeMap::new());

/// A bit for each port of theirs: hardly any datagram goes to one, and those take no lock.
static PORTS: [AtomicU64; 1 << 10] = [const { AtomicU64::new(0) }; 1 << 10];

/// Makes a relay's addresses known, as long as it lives.
#[derive(Debug)]
pub(crate) struct OwnRelay {
    addresses: [SocketAddr; 2],
}

impl OwnRelay {
    /// Makes the address that a socket is bound to known, and the one that its clients are told.
    pub(crate) fn new(bound: SocketAddr, advertised: SocketAddr) -> Self {
        let addresses = [bound, advertised];
        let mut relays = RELAYS.write().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            *relays.entry(key(address)).or_default() += 1;
            let (word, bit) = bit(address.port());
            if let Some(word) = word {
                word.fetch_or(bit, Ordering::Release);
            }
        }
        Self { addresses }
    }
}

impl Drop for OwnRelay {
    fn drop(&mut self) {
        let mut relays = RELAYS.write().unwrap_or_else(PoisonError::into_inner);
        for address in self.addresses {
            let key = key(address);
            let left = relays.get_mut(&key).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                relays.remove(&key);
            }
            let of_port = (key.0, LOWEST)..;
            let is_used = relays.range(of_port).next();
            if is_used.is_none_or(|((port, _), _)| *port != key.0)
                && let (Some(word), bit) = bit(key.0)
            {
                word.fetch_and(!bit, Ordering::Release);
            }
        }
    }
}

/// Whether a relay of this process is at this address.
#[inline]
pub(crate) fn is_own_relay(address: SocketAddr) -> bool {
    let (word, bit) = bit(address.port());
    word.is_some_and(|word| word.load(Ordering::Acquire) & bit != 0) && is_known(address)
}

#[cold]
fn is_known(address: SocketAddr) -> bool {
    let relays = RELAYS.read().unwrap_or_else(PoisonError::into_inner);
    relays.contains_key(&key(address))
}

/// The first of all addresses in the order of keys.
const LOWEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Without the scope, which a datagram's header does not have.
fn key(address: SocketAddr) -> (u16, IpAddr) {
    (address.port(), canonical(address).ip())
}

fn bit(port: u16) -> (Option<&'static AtomicU64>, u64) {
    (PORTS.get(usize::from(port >> 6)), 1 << (port & 63))
}
