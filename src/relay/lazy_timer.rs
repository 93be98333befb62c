//! A lazily re-armed timer.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep},
};

pin_project! {
    /// A timer that is not polled until it has fired: polling tokio's costs four atomic operations,
    /// and a tunnel would poll it with every packet.
    #[derive(Debug)]
    pub(crate) struct LazyTimer {
        #[pin]
        sleep: Sleep,
        // The waker that it has.
        waker: Option<Waker>,
    }
}

impl LazyTimer {
    pub(crate) fn new(after: Duration) -> Self {
        Self {
            sleep: sleep(after),
            waker: None,
        }
    }

    /// Makes it fire at `deadline`, if that is earlier than before.
    #[inline]
    pub(crate) fn no_later_than(self: Pin<&mut Self>, deadline: Instant) {
        if deadline < self.sleep.deadline() {
            self.set(deadline);
        }
    }

    /// Makes it fire at `deadline`, and not before.
    pub(crate) fn set(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.sleep.reset(deadline);
        *this.waker = None;
    }

    /// Returns `true` if it has not fired, and wakes this task when it does.
    #[inline]
    pub(crate) fn waits(&self, cx: &Context<'_>) -> bool {
        let wakes = self.waker.as_ref();
        wakes.is_some_and(|waker| waker.will_wake(cx.waker())) && !self.sleep.is_elapsed()
    }

    /// Ready once it has fired, until it is set again.
    #[inline]
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits(cx) {
            return Poll::Pending;
        }
        let mut this = self.project();
        // With its cooperative budget used up, the task would be told to wait by a timer that has
        // not kept its waker.
        let ask = pin!(unconstrained(poll_fn(|cx| this.sleep.as_mut().poll(cx))));
        *this.waker = None;
        let asked = ask.poll(cx);
        if asked.is_pending() {
            *this.waker = Some(cx.waker().clone());
        }
        asked
    }
}

/// Returns `limit` after `last`; where that overflows, an instant in 30 years.
#[inline]
pub(crate) fn after(last: Instant, limit: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
    last.checked_add(limit).unwrap_or_else(|| last + FAR)
}
