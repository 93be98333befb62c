//! The ports of a range that listeners and relays have, so that none is searched for by trying all.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
};

/// Bits of a word.
const BITS: u32 = u64::BITS;

/// The ports of a range, and which of them are taken here. Clones share that: connectors that are given clones, one after
/// the other or beside each other, do not try ports that the others have.
///
/// The range of 0 alone is any port that the system has free.
///
/// ```
/// use tower_socks::connector::{PortRange, associate::Associate};
///
/// let ports = PortRange::from(40_000..=40_999);
/// assert_eq!(ports.len(), 1_000);
/// let inside = Associate::new().ports(ports.clone());
/// let outside = Associate::new().ports(ports);
/// # let _ = (inside, outside);
/// ```
#[derive(Clone, Debug)]
pub struct PortRange {
    ports: RangeInclusive<u16>,
    taken: Arc<Mutex<Taken>>,
}

/// A bit for each port of the range, once one is taken.
#[derive(Debug, Default)]
struct Taken {
    words: Vec<u64>,
    /// Behind the last port that was taken, so that ports are not used again at once.
    next: u32,
}

/// A port of the range that nobody else here has.
#[derive(Debug)]
pub(super) struct TakenPort {
    range: PortRange,
    offset: u32,
}

impl PortRange {
    pub(super) fn new(ports: RangeInclusive<u16>) -> Self {
        Self {
            ports,
            taken: Arc::default(),
        }
    }

    /// Whether the system chooses the port.
    pub(super) fn is_any(&self) -> bool {
        self.ports == (0..=0)
    }

    /// Returns how many ports there are, taken or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ports.len()
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// Takes a port that nobody here has. It costs a look at each word of the range, at worst.
    pub(super) fn take(&self) -> Option<TakenPort> {
        let count = (u32::from(*self.ports.end()) + 1).checked_sub((*self.ports.start()).into())?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken { words, next } = &mut *taken;
        let size = usize::try_from(count.div_ceil(BITS)).unwrap_or(usize::MAX);
        words.resize(size, 0);
        let begin = *next % count.max(1);
        let first = usize::try_from(begin / BITS).unwrap_or(0);
        // The word of the beginning comes last once more, for its lower half.
        for step in 0..=size {
            let place = (first + step) % size.max(1);
            let word = words.get_mut(place)?;
            let base = u32::try_from(place)
                .unwrap_or(u32::MAX)
                .saturating_mul(BITS);
            let mut free = !*word & ones(count.saturating_sub(base));
            if step == 0 {
                free &= !ones(begin - base);
            }
            if free != 0 {
                let bit = free.trailing_zeros();
                *word |= 1 << bit;
                *next = base + bit + 1;
                drop(taken);
                return Some(TakenPort {
                    range: self.clone(),
                    offset: base + bit,
                });
            }
        }
        None
    }
}

impl From<RangeInclusive<u16>> for PortRange {
    fn from(ports: RangeInclusive<u16>) -> Self {
        Self::new(ports)
    }
}

/// The lowest bits, so many of them.
const fn ones(count: u32) -> u64 {
    if count >= BITS {
        u64::MAX
    } else {
        (1 << count) - 1
    }
}

impl TakenPort {
    pub(super) fn number(&self) -> u16 {
        let offset = u16::try_from(self.offset).unwrap_or(u16::MAX);
        self.range.ports.start().saturating_add(offset)
    }
}

impl Drop for TakenPort {
    fn drop(&mut self) {
        let taken = &self.range.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(self.offset / BITS).unwrap_or(usize::MAX);
        if let Some(word) = taken.words.get_mut(place) {
            *word &= !(1 << (self.offset % BITS));
        }
    }
}
