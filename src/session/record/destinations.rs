//! Where the datagrams of an association go.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::proto::Address;

/// Destinations that are told apart, of one association.
const MOST: usize = 32;

/// Lists the destinations of an association: the first 32 of them, and how much went to the rest.
///
/// A layer gets one by [`Request::destinations`](crate::Request::destinations), and what relays the datagrams fills it.
/// Clones share the list. Where no layer asks, nothing is listed.
#[derive(Clone, Default)]
pub struct Destinations(Arc<Mutex<Listed>>);

#[derive(Debug, Default)]
struct Listed {
    first: Vec<Destination>,
    /// All others together.
    rest: Destination,
}

/// What went to one destination, and came back from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// Where datagrams went, as the client said: a name has not been resolved. `0.0.0.0:0` for the
    /// [rest](Destinations::rest).
    pub address: Address,
    /// Datagrams to it, those among them that were dropped by a policy or could not be sent.
    pub datagrams_up: u64,
    /// Their payload, in octets.
    pub up: u64,
    /// Datagrams from it. Answers to a name come from an address, and are not counted here.
    pub datagrams_down: u64,
    /// Their payload, in octets.
    pub down: u64,
}

impl Destination {
    const fn new(address: Address) -> Self {
        Self {
            address,
            datagrams_up: 0,
            up: 0,
            datagrams_down: 0,
            down: 0,
        }
    }
}

impl Default for Destination {
    fn default() -> Self {
        Self::new(Address::UNSPECIFIED)
    }
}

impl Destinations {
    /// Returns the first destinations, in the order in which they came.
    #[must_use]
    pub fn list(&self) -> Vec<Destination> {
        self.lock().first.clone()
    }

    /// Returns what went to all others and came from them; `None` if there are none.
    #[must_use]
    pub fn rest(&self) -> Option<Destination> {
        let listed = self.lock();
        (listed.rest.datagrams_up > 0).then(|| listed.rest.clone())
    }

    /// Counts datagrams to their destinations.
    pub(crate) fn sent<'a>(&self, batch: impl Iterator<Item = (&'a Address, &'a [u8])>) {
        let mut listed = self.lock();
        for (address, payload) in batch {
            let to = listed.of(address);
            to.datagrams_up += 1;
            to.up += payload.len() as u64;
        }
    }

    /// Counts datagrams that came from them.
    pub(crate) fn received<'a>(&self, batch: impl Iterator<Item = (&'a Address, &'a [u8])>) {
        let mut listed = self.lock();
        for (address, payload) in batch {
            if let Some(from) = listed.known(address) {
                from.datagrams_down += 1;
                from.down += payload.len() as u64;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    fn known(&mut self, address: &Address) -> Option<&mut Destination> {
        self.first
            .iter_mut()
            .find(|known| known.address == *address)
    }

    fn of(&mut self, address: &Address) -> &mut Destination {
        let at = self
            .first
            .iter()
            .position(|known| known.address == *address);
        let at = at.unwrap_or_else(|| {
            if self.first.len() < MOST {
                self.first.push(Destination::new(address.clone()));
                self.first.len() - 1
            } else {
                MOST
            }
        });
        match self.first.get_mut(at) {
            Some(known) => known,
            None => &mut self.rest,
        }
    }
}

impl fmt::Debug for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = self.lock();
        f.debug_struct("Destinations")
            .field("listed", &listed.first.len())
            .finish_non_exhaustive()
    }
}
