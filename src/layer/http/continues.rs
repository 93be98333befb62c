//! `Expect: 100-continue` (RFC 9110 section 10.1.1): the body waits until the origin wants it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::{Sleep, sleep};

/// For how long an origin has time to want it: some never say so.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lets a body go.
#[derive(Clone, Default)]
pub(super) struct Continue(Arc<Gone>);

#[derive(Default)]
struct Gone {
    let_go: AtomicBool,
    waker: AtomicWaker,
}

impl Continue {
    /// The origin wants the body.
    pub(super) fn let_go(&self) {
        self.0.let_go.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// Returns what the body waits for.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            by: self.clone(),
            patience: None,
        }
    }
}

/// Waits until the origin wants the body, or has said nothing for a second.
pub(super) struct Wanted {
    by: Continue,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Wanted {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Gone { let_go, waker } = &*self.by.0;
        waker.register(cx.waker());
        if let_go.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        patience.as_mut().poll(cx)
    }
}
