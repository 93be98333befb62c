use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use super::{
    queue::Place,
    turns::{Turns, Verdict},
};
use crate::error::{AuthError, BoxError};

/// A verification that waits for its turn, or has it: the future of
/// [`BlockingVerifier`](super::BlockingVerifier).
pub struct Verification {
    state: State,
}

enum State {
    /// `None` once it was returned.
    Refused(Option<BoxError>),
    Waits {
        turns: Arc<Turns>,
        place: Place,
        verdict: oneshot::Receiver<Verdict>,
    },
}

impl Verification {
    pub(super) fn new(
        entered: Result<(Place, oneshot::Receiver<Verdict>), BoxError>,
        turns: &Arc<Turns>,
    ) -> Self {
        let state = match entered {
            Ok((place, verdict)) => State::Waits {
                turns: Arc::clone(turns),
                place,
                verdict,
            },
            Err(refusal) => State::Refused(Some(refusal)),
        };
        Self { state }
    }
}

impl Future for Verification {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        match &mut self.state {
            State::Refused(refusal) => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal)),
                None => Poll::Pending,
            },
            State::Waits { verdict, .. } => Poll::Ready(
                ready!(Pin::new(verdict).poll(cx))
                    .unwrap_or_else(|_| Err(AuthError::Verifier("it panicked".into()).into())),
            ),
        }
    }
}

impl Drop for Verification {
    fn drop(&mut self) {
        if let State::Waits {
            turns,
            place,
            verdict,
        } = &mut self.state
        {
            verdict.close();
            turns.leave(*place);
        }
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").finish_non_exhaustive()
    }
}
