use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
};

use crate::{
    io::{DropReason, Drops},
    proto::{Address, Encoded},
};

/// Datagrams in order, each with the address that it goes to or came from.
///
/// ```
/// use tower_socks::{datagram::Datagrams, proto::Address};
///
/// let mut batch = Datagrams::new();
/// let here = Address::UNSPECIFIED;
/// batch.push(here.clone(), b"one");
/// batch.push(here.clone(), b"three");
/// batch.retain(|_, payload| payload.len() > 3);
/// assert_eq!(batch.iter().collect::<Vec<_>>(), [(&here, &b"three"[..])]);
/// ```
#[derive(Clone, Default)]
pub struct Datagrams {
    /// Payloads, one behind the other, with gaps where some were taken out.
    bytes: Vec<u8>,
    entries: Vec<(Address, Range<usize>)>,
    /// Entries before this one are taken out.
    first: usize,
    drops: Drops,
}

impl Datagrams {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            first: 0,
            drops: Drops::new(),
        }
    }

    /// Adds one at the end.
    pub fn push(&mut self, address: Address, payload: &[u8]) {
        if self.is_empty() {
            self.clear();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.entries.push((address, start..self.bytes.len()));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.first
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == self.first
    }

    /// Takes all of them out; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.first = 0;
    }

    /// Addresses and payloads, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &[u8])> {
        let entries = self.entries.get(self.first..).unwrap_or_default();
        entries.iter().map(|(address, range)| {
            let payload = self.bytes.get(range.clone()).unwrap_or_default();
            (address, payload)
        })
    }

    /// Drops those for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&Address, &[u8]) -> bool) {
        self.sort(|address, payload| match keep(address, payload) {
            true => Ok(true),
            false => Err(DropReason::Other),
        });
    }

    /// Drops those for which `keep` has a reason to, and takes out those for which it says `false`.
    /// It may put another address in place of one.
    pub(crate) fn sort(
        &mut self,
        mut keep: impl FnMut(&mut Address, &[u8]) -> Result<bool, DropReason>,
    ) {
        let Self { bytes, drops, .. } = self;
        self.entries.drain(..self.first);
        self.first = 0;
        self.entries.retain_mut(|(address, range)| {
            let kept = keep(address, bytes.get(range.clone()).unwrap_or_default());
            kept.unwrap_or_else(|reason| {
                drops.add(reason, 1);
                false
            })
        });
    }

    /// Notes that datagrams were dropped, for the [meters](crate::io::Meter) of the association.
    pub fn dropped(&mut self, reason: DropReason, count: usize) {
        self.drops.add(reason, count);
    }

    /// What was noted.
    #[inline]
    pub(crate) fn take_dropped(&mut self) -> Option<Drops> {
        self.drops.take()
    }

    /// Notes what was noted elsewhere.
    #[inline]
    pub(crate) fn dropped_too(&mut self, drops: Option<Drops>) {
        self.drops.add_all(drops);
    }

    /// Takes the first `count` out.
    pub fn take_first(&mut self, count: usize) {
        self.first = (self.first + count).min(self.entries.len());
    }

    /// Replaces all by those of `bare`, each behind a header of its own, which `header` makes of its
    /// address.
    pub(crate) fn wrap<const N: usize>(
        &mut self,
        bare: &Self,
        header: impl Fn(&Address) -> Encoded<N>,
    ) {
        self.clear();
        for (address, payload) in bare.iter() {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(&header(address));
            self.bytes.extend_from_slice(payload);
            let range = start..self.bytes.len();
            self.entries.push((Address::UNSPECIFIED, range));
        }
    }

    /// The datagrams at the front that one system call can send: to one address, of one size but
    /// for the last, which may be smaller, `most` at most and 65,507 octets together. Says how many
    /// they are, with their octets.
    pub(crate) fn run(&self, most: usize) -> Option<(&Address, &[u8], usize, usize)> {
        const LARGEST: usize = 65_507;
        let mut entries = self.entries.get(self.first..)?.iter();
        let (address, Range { start, end }) = entries.next()?;
        let (size, mut end) = (end - start, *end);
        let mut count = 1;
        for (other, range) in entries {
            let fits = count < most
                && size > 0
                && other == address
                && range.start == end
                && (1..=size).contains(&range.len())
                && range.end - start <= LARGEST;
            if !fits {
                break;
            }
            end = range.end;
            count += 1;
            if range.len() < size {
                break;
            }
        }
        Some((address, self.bytes.get(*start..end)?, size, count))
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Datagrams({})", self.len())
    }
}

/// A datagram goes to one host: no multicast, no broadcast, no wildcard, no port 0.
pub(crate) fn is_unicast(address: SocketAddr) -> bool {
    let host = match address.ip() {
        IpAddr::V4(ip) => !ip.is_multicast() && ip != Ipv4Addr::BROADCAST && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    };
    host && address.port() != 0
}
