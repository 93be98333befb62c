//! What has been said below: by the log, so that those above do not write another warning of it, and by an
//! upstream, so that those above know that it is there.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

tokio::task_local! {
    static SAID: Cell<Said>;
}

/// What has been said while a future ran.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    /// The log has a warning of what the future will fail with.
    pub(crate) warning: bool,
    /// The upstream has answered something, if not yet the request.
    pub(crate) anything: bool,
}

impl Said {
    const fn and(self, more: Self) -> Self {
        Self {
            warning: self.warning || more.warning,
            anything: self.anything || more.anything,
        }
    }
}

/// Notes that the log has a warning of what the future that is polled will fail with.
pub(crate) fn warned() {
    note(Said {
        warning: true,
        ..Said::default()
    });
}

/// Notes that the upstream of the future that is polled has answered.
pub(crate) fn answered() {
    note(Said {
        anything: true,
        ..Said::default()
    });
}

fn note(more: Said) {
    let _ = SAID.try_with(|said| said.set(said.get().and(more)));
}

pin_project! {
    /// Runs a future, and knows what has been said in it. What the future leaves to another task is not
    /// seen.
    pub(crate) struct Listened<F> {
        #[pin]
        future: F,
        said: Said,
    }
}

impl<F> Listened<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self {
            future,
            said: Said {
                warning: false,
                anything: false,
            },
        }
    }

    pub(crate) const fn said(&self) -> Said {
        self.said
    }
}

impl<F: Future> Future for Listened<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let poll = || (this.future.poll(cx), SAID.with(Cell::get));
        let (polled, said) = SAID.sync_scope(Cell::new(*this.said), poll);
        *this.said = said;
        // For one around this one, which would write the warning a third time.
        note(said);
        polled
    }
}
