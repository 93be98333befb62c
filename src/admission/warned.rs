//! Whether the log has a warning of what failed below, so that those above do not write another one.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

tokio::task_local! {
    static WARNED: Cell<bool>;
}

/// Notes that the log has a warning of what the future that is polled will fail with.
pub(crate) fn warned() {
    let _ = WARNED.try_with(|warned| warned.set(true));
}

pin_project! {
    /// Runs a future, and returns besides its outcome whether the log has a warning of it. What the
    /// future leaves to another task is not seen.
    pub(crate) struct Watched<F> {
        #[pin]
        future: F,
        is_warned: bool,
    }
}

impl<F> Watched<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self {
            future,
            is_warned: false,
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = (F::Output, bool);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let poll = || (this.future.poll(cx), WARNED.with(Cell::get));
        let (polled, is_warned) = WARNED.sync_scope(Cell::new(false), poll);
        if is_warned {
            *this.is_warned = true;
            // One around this one would write it a third time.
            warned();
        }
        polled.map(|outcome| (outcome, *this.is_warned))
    }
}
