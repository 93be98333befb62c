use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    MakeMeter,
    buckets::{Buckets, Known, Rates, Tunnel},
    turn::Turn,
};
use crate::layer::key::KeyExtractor;
use crate::{
    error::Refusal,
    io::{Direction, Meter},
    session::Request,
};

/// Bounds the bytes a second of each key, in each direction: a [`MakeMeter`]. See the
/// [module](super).
///
/// All tunnels of a key share one token bucket a direction; clones share the buckets. Tunnels that wait
/// have their turns first come, first served, 10 ms of the rate each, and less where more than 50 wait:
/// all of them have one within half a second, unless that is less than 1,460 bytes. After a pause a
/// tenth of a second's bytes may move at once.
///
/// What has moved is paid for before more may, by whichever tunnel: a key is remembered after its last
/// tunnel until it has paid. With more than 16,384 such keys those that have the least to pay are
/// forgotten.
#[derive(Clone)]
pub struct Bandwidth<F: KeyExtractor> {
    key: F,
    rates: Rates,
    /// Every tunnel has its own buckets.
    alone: bool,
    known: Arc<Known<F::Key>>,
}

impl<F: KeyExtractor> Bandwidth<F> {
    /// Creates a meter for the keys of this function, without limits yet.
    pub fn new(key: F) -> Self {
        Self {
            key,
            rates: Rates::default(),
            alone: false,
            known: Arc::default(),
        }
    }

    /// Bounds bytes from clients to targets, for all tunnels of a key together.
    #[must_use]
    pub const fn up(mut self, bytes_per_second: u64) -> Self {
        self.rates.up = Some(bytes_per_second);
        self
    }

    /// Bounds bytes from targets to clients, for all tunnels of a key together.
    #[must_use]
    pub const fn down(mut self, bytes_per_second: u64) -> Self {
        self.rates.down = Some(bytes_per_second);
        self
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

impl<F: KeyExtractor> MakeMeter for Bandwidth<F> {
    type Meter = BandwidthMeter;

    fn meter(&self, request: &Request) -> Result<Option<BandwidthMeter>, Refusal> {
        if self.rates.up.is_none() && self.rates.down.is_none() {
            return Ok(None);
        }
        let buckets = self.key.key(request).map(|key| match self.alone {
            true => Tunnel::new(Buckets::new(self.rates, &key)),
            false => self.known.tunnel(self.rates, key),
        });
        Ok(buckets.map(|buckets| BandwidthMeter {
            up: Turn::default(),
            down: Turn::default(),
            buckets,
        }))
    }
}

impl<F: KeyExtractor> fmt::Debug for Bandwidth<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bandwidth")
            .field("rates", &self.rates)
            .field("keys", &self.keys())
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
            if let Some(bucket) = self.buckets.of(direction) {
                turn.leave(bucket);
            }
        }
    }
}
