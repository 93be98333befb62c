//! Reassembly of fragments (RFC 1928 section 7, FRAG).

use std::time::Duration;

use tokio::time::Instant;

use crate::proto::Address;

/// The REASSEMBLY TIMER, which must be no less than 5 seconds.
const TIMER: Duration = Duration::from_secs(5);

/// The largest datagram, and so the largest queue, in octets.
const LARGEST: usize = 65_507;

/// The high-order bit of FRAG: the last one of a sequence.
const LAST: u8 = 0x80;

/// The REASSEMBLY QUEUE of an association.
#[derive(Debug)]
pub(crate) struct Fragments {
    target: Address,
    bytes: Vec<u8>,
    highest: u8,
    /// Octets of `bytes` from the highest fragment.
    latest: usize,
    until: Instant,
}

impl Fragments {
    /// Adds a fragment to the queue, if it is the next one. Returns the datagram with the last.
    ///
    /// Fragments count up from 1. One that is lower than the highest seen starts a new sequence,
    /// and so does a different one with the same number; where one is missing the rest can never be
    /// complete, since the missing one would be lower.
    pub(crate) fn add(
        queue: &mut Option<Box<Self>>,
        fragment: u8,
        target: Address,
        payload: &[u8],
    ) -> Option<(Address, Vec<u8>)> {
        let position = fragment & !LAST;
        let known = queue.as_ref().filter(|known| known.until > Instant::now());
        if known.is_some_and(|known| known.has(fragment, &target, payload)) {
            return None; // a duplicate
        }
        if known.is_none_or(|known| position <= known.highest) {
            *queue = (position == 1).then(|| {
                Box::new(Self {
                    target: target.clone(),
                    bytes: Vec::new(),
                    highest: 0,
                    latest: 0,
                    until: Instant::now() + TIMER,
                })
            });
        }
        let known = queue.as_mut()?;
        let fits = known.bytes.len() + payload.len() <= LARGEST;
        if position != known.highest + 1 || known.target != target || !fits {
            *queue = None;
            return None;
        }
        known.bytes.extend_from_slice(payload);
        known.highest = position;
        known.latest = payload.len();
        if fragment & LAST == 0 {
            return None;
        }
        let whole = queue.take()?;
        Some((whole.target, whole.bytes))
    }

    /// Returns `true` for a duplicate of the fragment that was added last. That was not the end of
    /// a sequence, which has another number.
    fn has(&self, fragment: u8, target: &Address, payload: &[u8]) -> bool {
        let start = self.bytes.len() - self.latest;
        self.highest == fragment
            && self.target == *target
            && self.bytes.get(start..) == Some(payload)
    }

    /// Returns when the queue has to be dropped.
    pub(crate) const fn until(&self) -> Instant {
        self.until
    }
}
