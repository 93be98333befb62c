//! The limits on idle and half-closed tunnels, and the moment at which one has gone quiet.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    RelayErrorKind,
    lazy_timer::{LazyTimer, after},
};

/// The shortest time after which a tunnel that is not half-closed reads the clock again.
const SHORTEST: Duration = Duration::from_secs(1);

/// After so long without a byte, a tunnel is quiet.
const QUIET: Duration = Duration::from_secs(1);

/// What a tunnel in which nothing moves has come to.
#[derive(Debug)]
pub(super) enum Due {
    /// It is quiet: the time to look for [urgent data](super::urgent).
    Look,
    /// A limit has passed: of this kind, and so long.
    Limit(RelayErrorKind, Duration),
}

/// The limits of a tunnel, and the time of the last byte.
///
/// The timer is set when it fires, not whenever a byte moves. It fires as often as the half-close
/// limit asks, so that it need not be set for a half-close either: most connections are over by
/// then, and an earlier timer costs tokio a system call.
#[derive(Debug)]
pub(super) struct Watch {
    idle: Duration,
    half_close: Duration,
    last: Instant,
    half_closed: bool,
    /// The timer fires early enough, with the time to look in mind or without; `None` if that is to be found out.
    early: Option<bool>,
}

impl Watch {
    pub(super) fn new(idle: Duration, half_close: Duration) -> Self {
        Self {
            idle,
            half_close,
            last: Instant::now(),
            half_closed: false,
            early: None,
        }
    }

    /// The limit once one direction has ended.
    pub(super) const fn half_close(&self) -> Duration {
        self.half_close
    }

    /// Creates the timer to poll this with.
    pub(super) fn timer(&self) -> LazyTimer {
        LazyTimer::new(self.idle.min(self.half_close.max(SHORTEST)))
    }

    /// Notes that something moved.
    #[inline]
    pub(super) fn moved(&mut self) {
        self.last = Instant::now();
    }

    /// Notes that one direction has ended.
    pub(super) fn half_closed(&mut self) {
        if !self.half_closed {
            self.half_closed = true;
            self.early = None;
            self.moved();
        }
    }

    /// Ready once the limit has passed; before that once it is quiet, if `look` asks for it.
    #[inline]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut LazyTimer>,
        look: bool,
    ) -> Poll<Due> {
        // Whatever has moved since makes it later.
        if self.early.is_some_and(|for_look| for_look || !look) && timer.waits(cx) {
            return Poll::Pending;
        }
        let Self {
            idle, half_close, ..
        } = *self;
        let (limit, kind) = if self.half_closed && half_close <= idle {
            (half_close, RelayErrorKind::HalfClosed)
        } else {
            (idle, RelayErrorKind::Idle)
        };
        let end = after(self.last, limit);
        let quiet = look.then(|| after(self.last, QUIET));
        let deadline = quiet.map_or(end, |quiet| quiet.min(end));
        timer.as_mut().no_later_than(deadline);
        self.early = Some(look);
        loop {
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if end <= now {
                return Poll::Ready(Due::Limit(kind, limit));
            }
            let again = after(now, half_close.max(SHORTEST));
            if deadline <= now {
                timer.as_mut().set(end.min(again));
                self.early = Some(false);
                return Poll::Ready(Due::Look);
            }
            timer.as_mut().set(deadline.min(again));
        }
    }
}
