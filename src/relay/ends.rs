//! Both streams of a tunnel, what has moved between them, and how they are closed.

use super::{Traffic, copier::Copier, dropped};
use crate::io::Raw;

/// The streams of a tunnel. They are reset when this is dropped, unless they have ended by
/// themselves: half of what somebody sends must not look like all of it.
///
/// That holds for whatever ends a tunnel early: a limit, a meter, a layer or a server that drops the
/// future, a panic.
#[derive(Debug)]
pub(super) struct Ends<A: 'static, B: 'static> {
    pub(super) client: A,
    pub(super) target: B,
    pub(super) up: Copier,
    pub(super) down: Copier,
    closing: Closing,
}

/// How the streams of a tunnel are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// Both directions have ended.
    Complete,
    /// An error has ended the tunnel.
    Broken,
    /// Nobody waits for the outcome.
    Dropped,
}

impl<A: 'static, B: 'static> Ends<A, B> {
    pub(super) const fn new(client: A, target: B, may_splice: bool) -> Self {
        Self {
            client,
            target,
            up: Copier::new(may_splice),
            down: Copier::new(may_splice),
            closing: Closing::Dropped,
        }
    }

    /// Sets how they are closed; without it they count as dropped.
    pub(super) const fn close(&mut self, closing: Closing) {
        self.closing = closing;
    }

    pub(super) const fn traffic(&self) -> Traffic {
        Traffic {
            up: self.up.moved,
            down: self.down.moved,
        }
    }
}

impl<A: 'static, B: 'static> Drop for Ends<A, B> {
    fn drop(&mut self) {
        if self.closing == Closing::Dropped {
            dropped::leave(self.traffic());
        }
        if self.closing != Closing::Complete {
            let sockets = [Raw::beneath(&self.client), Raw::beneath(&self.target)];
            for socket in sockets.into_iter().flatten() {
                // One that is reset by its peer does not take the option any more.
                let _ = socket.reset();
            }
        }
    }
}
