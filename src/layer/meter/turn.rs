//! The turns of one direction of a tunnel at a bucket.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::token_bucket::{Bucket, Place, SMALLEST, Wait};

/// For how long a turn can be used. Several limits of one tunnel have their turns at different times,
/// and the first waits for the last.
const USABLE: Duration = Duration::from_secs(1);

/// Holds a turn, or waits for one.
#[derive(Debug, Default)]
pub(super) struct Turn {
    place: Place,
    granted: Option<Granted>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug)]
struct Granted {
    /// Bytes that may move.
    bytes: i64,
    until: Instant,
    /// Whether none have moved so far.
    unused: bool,
}

impl Granted {
    /// Whether bytes may move now. Of those that were granted a turn while nobody had anything to move,
    /// the first few have it.
    fn is_usable(&self, bucket: &Bucket) -> bool {
        let now = Instant::now();
        now < self.until && !(self.unused && bucket.is_in_debt(now))
    }
}

impl Turn {
    /// Ready with the bytes that may move in this turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, bucket: &Bucket) -> Poll<usize> {
        if let Some(granted) = self.granted.filter(|granted| granted.is_usable(bucket)) {
            return Poll::Ready(usize::try_from(granted.bytes).unwrap_or(1));
        }
        self.granted = None;
        loop {
            let wait = match bucket.turn(&mut self.place, cx.waker()) {
                Ok(bytes) => {
                    self.granted = Some(Granted {
                        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
                        until: Instant::now() + USABLE,
                        unused: true,
                    });
                    return Poll::Ready(bytes);
                }
                Err(wait) => wait,
            };
            let (Wait::Until(time) | Wait::Behind(time)) = wait;
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(time)));
            // Behind others, one that is set already is soon enough.
            if timer.is_elapsed() || wait == Wait::Until(time) && timer.deadline() != time {
                timer.as_mut().reset(time);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    /// Charges bytes that have moved, as [`Bucket::charge`] does.
    pub(super) fn moved(&mut self, bytes: usize, bucket: &Bucket) -> bool {
        let moved = i64::try_from(bytes).unwrap_or(i64::MAX);
        let granted = self.granted.take();
        let rest = granted.map_or(0, |it| it.bytes).saturating_sub(moved);
        match granted {
            Some(granted) if rest >= SMALLEST => {
                self.granted = Some(Granted {
                    bytes: rest,
                    unused: false,
                    ..granted
                });
            }
            // Too little for a system call, or more than there was: the next turn makes up for it.
            _ => self.place.balance = self.place.balance.saturating_add(rest),
        }
        bucket.charge(bytes)
    }

    /// Gives up its place.
    pub(super) fn leave(&mut self, bucket: &Bucket) {
        bucket.leave(&mut self.place);
    }
}
