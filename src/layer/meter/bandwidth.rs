use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    MakeMeter, Rates,
    buckets::{Buckets, Known, Tunnel},
    turn::Turn,
};
use crate::layer::key::KeyExtractor;
use crate::{
    admission::Fullest,
    io::{Direction, Meter},
    session::{Admission, Amount, Fullness, Request},
};

/// Bounds the bytes a second of each key, in each direction: a [`MakeMeter`]. See the
/// [module](super).
///
/// All tunnels of a key share one token bucket a direction; clones share the buckets. Tunnels that wait
/// have their turns first come, first served, 10 ms of the rate each, and less where more than 50 wait:
/// all of them have one within half a second, unless that is less than 1,460 bytes. After a pause a
/// tenth of a second's bytes may move at once, or a [burst](Rates::burst).
///
/// The rates of a key can [depend on the request](Self::by_request), or be [set](Self::set_rates): its open tunnels have
/// the new ones at once.
///
/// What has moved is paid for before more may, by whichever tunnel: a key is remembered after its last
/// tunnel until it has paid. With more than 16,384 such keys those that have the least to pay are
/// forgotten.
#[derive(Clone)]
pub struct Bandwidth<F: KeyExtractor, A = Rates> {
    key: F,
    rates: A,
    /// Whether a key may have other rates than before.
    varies: bool,
    /// Every tunnel has its own buckets.
    alone: bool,
    known: Arc<Known<F::Key>>,
}

impl<F: KeyExtractor> Bandwidth<F> {
    /// Creates a meter for the keys of this function, without limits yet.
    pub fn new(key: F) -> Self {
        Self {
            varies: false,
            ..Self::by_request(Rates::new(), key)
        }
    }

    /// Bounds bytes from clients to targets, for all tunnels of a key together.
    #[must_use]
    pub const fn up(mut self, bytes_per_second: u64) -> Self {
        self.rates = self.rates.up(bytes_per_second);
        self
    }

    /// Bounds bytes from targets to clients, for all tunnels of a key together.
    #[must_use]
    pub const fn down(mut self, bytes_per_second: u64) -> Self {
        self.rates = self.rates.down(bytes_per_second);
        self
    }

    /// Sets how many bytes may move at once in each direction, after a pause.
    #[must_use]
    pub const fn burst(mut self, up: u64, down: u64) -> Self {
        self.rates = self.rates.burst(up, down);
        self
    }
}

impl<F: KeyExtractor, A: Amount<Rates>> Bandwidth<F, A> {
    /// Bounds the tunnels of a key by what `rates` says of its latest request: [`Rates`] for all, or a closure.
    pub fn by_request(rates: A, key: F) -> Self {
        Self {
            key,
            rates,
            varies: true,
            alone: false,
            known: Arc::default(),
        }
    }

    /// Sets the rates of keys that have tunnels, until their next requests say otherwise; `None` is no limit. Those that
    /// wait look again. Not for tunnels with [buckets of their own](Self::each).
    ///
    /// A tunnel of a key that had no rates at its request is not bounded by it.
    pub fn set_rates(&self, rates: impl Fn(&F::Key) -> Option<Rates>) {
        self.known.set(rates);
    }

    /// Returns the `most` keys that have the largest share of their burst used, the fullest first, in bytes. Looks at all
    /// keys that are remembered.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<F::Key>> {
        let mut fullest = Fullest::new(most);
        self.known.look(&mut fullest);
        fullest.into_vec()
    }

    /// Gives each tunnel that has a key a bucket of its own, instead of one to all of them together. It
    /// bounds tunnels, and not what a client can move by one after the other.
    #[must_use]
    pub const fn each(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Returns how many keys have tunnels that share a limit.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.known.in_use()
    }
}

impl<F: KeyExtractor, A: Amount<Rates>> MakeMeter for Bandwidth<F, A> {
    type Meter = BandwidthMeter;

    fn meter(&self, request: &Request) -> Admission<Option<BandwidthMeter>> {
        let Some(rates) = self.rates.amount(request) else {
            return Admission::Permit(None);
        };
        if rates.are_open() && !self.varies {
            return Admission::Permit(None);
        }
        let buckets = self.key.key(request).map(|key| match self.alone {
            true => Tunnel::new(Buckets::new(rates, &key)),
            false => self.known.tunnel(rates, self.varies, key),
        });
        Admission::Permit(buckets.map(|buckets| BandwidthMeter {
            up: Turn::default(),
            down: Turn::default(),
            buckets,
        }))
    }
}

impl<F: KeyExtractor, A> fmt::Debug for Bandwidth<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bandwidth")
            .field("keys", &self.known.in_use())
            .finish_non_exhaustive()
    }
}

/// Bounds the bandwidth of one tunnel: the meter of [`Bandwidth`].
#[derive(Debug)]
pub struct BandwidthMeter {
    buckets: Tunnel,
    up: Turn,
    down: Turn,
}

impl Meter for BandwidthMeter {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        let Some(bucket) = self.buckets.of(direction) else {
            return Poll::Ready(Ok(usize::MAX));
        };
        let turn = match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        };
        let allowance = turn.poll(cx, bucket);
        if allowance.is_pending() && bucket.press() {
            self.buckets.held_back(direction, true);
        }
        allowance.map(Ok)
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        let Some(bucket) = self.buckets.of(direction) else {
            return;
        };
        let turn = match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        };
        if turn.moved(bytes, bucket) {
            self.buckets.held_back(direction, false);
        }
    }
}

impl Drop for BandwidthMeter {
    fn drop(&mut self) {
        for (turn, direction) in [
            (&mut self.up, Direction::Up),
            (&mut self.down, Direction::Down),
        ] {
            turn.leave(self.buckets.any(direction));
        }
    }
}
