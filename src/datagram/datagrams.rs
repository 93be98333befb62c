use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
};

use crate::{
    io::{DropReason, Drops},
    proto::{Address, Encoded},
};

/// A batch of datagrams in order, each with the address that it goes to or came from.
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
    /// Creates an empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            first: 0,
            drops: Drops::new(),
        }
    }

    /// Adds a datagram at the end.
    pub fn push(&mut self, address: Address, payload: &[u8]) {
        if self.is_empty() {
            self.clear();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.entries.push((address, start..self.bytes.len()));
    }

    /// Returns the number of datagrams.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.first
    }

    /// Returns `true` if there is no datagram.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == self.first
    }

    /// Takes all datagrams out; the allocation stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.first = 0;
    }

    /// Iterates over addresses and payloads, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &[u8])> {
        let entries = self.entries.get(self.first..).unwrap_or_default();
        entries.iter().map(|(address, range)| {
            let payload = self.bytes.get(range.clone()).unwrap_or_default();
            (address, payload)
        })
    }

    /// Drops the datagrams for which `keep` returns `false`.
    pub fn retain(&mut self, mut keep: impl FnMut(&Address, &[u8]) -> bool) {
        self.retain_mut(|address, payload| match keep(address, payload) {
            true => Ok(true),
            false => Err(DropReason::Other),
        });
    }

    /// Drops the datagrams for which `keep` has a reason, and takes out those for which it returns
    /// `false`. It may replace addresses.
    pub(crate) fn retain_mut(
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

    /// Takes out what was noted.
    #[inline]
    pub(crate) fn take_dropped(&mut self) -> Option<Drops> {
        self.drops.take()
    }

    /// Adds what was noted in another batch.
    #[inline]
    pub(crate) fn add_dropped(&mut self, drops: Option<Drops>) {
        self.drops.add_all(drops);
    }

    /// Takes the first `count` datagrams out.
    pub fn take_first(&mut self, count: usize) {
        self.first = (self.first + count).min(self.entries.len());
    }

    /// Drops the datagrams from the first on that goes beyond so many octets, and returns the octets of
    /// those that are left.
    pub(crate) fn limit(&mut self, most: usize) -> usize {
        let mut octets = 0;
        let fitting = self.iter().take_while(|(_, payload)| {
            let fits = octets + payload.len() <= most;
            octets += if fits { payload.len() } else { 0 };
            fits
        });
        let kept = fitting.count();
        let dropped = self.len() - kept;
        self.entries.truncate(self.first + kept);
        self.drops.add(DropReason::Limit, dropped);
        octets
    }

    /// Replaces all datagrams by those of `bare`, each behind the header that `header` makes of its
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

    /// Replaces all datagrams by what `seal` makes of them and their headers. Those of which it makes nothing are
    /// dropped as unsendable.
    pub(crate) fn wrap_sealed<const N: usize>(
        &mut self,
        bare: &Self,
        header: impl Fn(&Address) -> Encoded<N>,
        mut seal: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    ) {
        self.clear();
        let mut datagram = Vec::new();
        for (address, payload) in bare.iter() {
            datagram.clear();
            datagram.extend_from_slice(&header(address));
            datagram.extend_from_slice(payload);
            match seal(&datagram) {
                Some(sealed) => self.push(Address::UNSPECIFIED, &sealed),
                None => self.drops.add(DropReason::Unsendable, 1),
            }
        }
    }

    /// Returns the datagrams at the front that one system call can send, with their octets, size
    /// and number: to one address, of one size but for the last, which may be smaller, `most` at
    /// most and 65,507 octets together.
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

/// Returns `true` for the address of one host's socket: no multicast, no broadcast, no wildcard, no
/// port 0.
pub(crate) fn is_unicast(address: SocketAddr) -> bool {
    let host = match address.ip() {
        IpAddr::V4(ip) => !ip.is_multicast() && ip != Ipv4Addr::BROADCAST && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    };
    host && address.port() != 0
}
