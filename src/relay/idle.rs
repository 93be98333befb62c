//! When nothing has moved for too long.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Relay, RelayErrorKind,
    lazy_timer::{LazyTimer, after},
};

/// The shortest time after which a tunnel that is not half-closed looks at the clock again.
const SHORTEST: Duration = Duration::from_secs(1);

/// The limits of a tunnel, and when something moved last.
///
/// The timer is touched when it fires, not whenever a byte moves. It fires as often as the linger
/// would have it, so that it need not be touched for a half-close either: most connections are over
/// by then, and an earlier timer costs tokio a system call.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Relay,
    last: Instant,
    half_closed: bool,
}

impl Watch {
    pub(super) fn new(limits: Relay) -> Self {
        Self {
            limits,
            last: Instant::now(),
            half_closed: false,
        }
    }

    /// The timer to poll this with.
    pub(super) fn timer(&self) -> LazyTimer {
        LazyTimer::new(self.limits.idle.min(self.limits.linger.max(SHORTEST)))
    }

    /// Something moved.
    #[inline]
    pub(super) fn moved(&mut self) {
        self.last = Instant::now();
    }

    /// One direction has ended.
    pub(super) fn half_closed(&mut self) {
        if !self.half_closed {
            self.half_closed = true;
            self.moved();
        }
    }

    /// Ready once the limit has passed.
    #[inline]
    pub(super) fn poll(
        &self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut LazyTimer>,
    ) -> Poll<RelayErrorKind> {
        let Relay { idle, linger } = self.limits;
        let (limit, kind) = if self.half_closed {
            (linger.min(idle), RelayErrorKind::HalfClosed)
        } else {
            (idle, RelayErrorKind::Idle)
        };
        let deadline = after(self.last, limit);
        timer.as_mut().no_later_than(deadline);
        loop {
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if deadline <= now {
                return Poll::Ready(kind);
            }
            let again = after(now, linger.max(SHORTEST));
            timer.as_mut().set(deadline.min(again));
        }
    }
}
