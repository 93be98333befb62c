//! What the gate and the conversation tell each other.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use super::problem::Problem;

/// What the gate and the conversation tell each other, through hyper.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
pub(super) struct Noted {
    /// The target of the head that hyper has got last, or what is wrong with it.
    pub(super) head: Option<Result<String, Problem>>,
    /// The response is complete: the next head may come.
    pub(super) next: bool,
    /// In place of the next head.
    pub(super) refuse: Option<Problem>,
    /// Octets of the next head have come.
    pub(super) begun: bool,
    /// The client has ended its direction, and no complete head is left.
    pub(super) ended: bool,
    /// The client has ended its direction behind a complete request: it waits for the response, or has left.
    pub(super) half_closed: bool,
    /// The client's stream has failed. hyper tells that to the reader of the body alone, and there may be none yet.
    pub(super) gone: Option<ErrorKind>,
    /// It has sent something behind that request.
    pub(super) ahead: bool,
    /// The client takes no more for now.
    pub(super) blocked: bool,
    /// Octets that were written so far.
    pub(super) written: u64,
    /// hyper has all of the response.
    pub(super) responded: bool,
    /// A response has begun, and the client has not been given all of it.
    pub(super) responding: bool,
    /// The origin has failed in the middle of its response. What it had sent before goes to the client first.
    pub(super) failed: Option<hyper::Error>,
    /// The tunnel was cut by other than its ends: the client gets no more of the response.
    pub(super) is_cut: bool,
    /// Interim responses (1xx), to be written before the final one.
    pub(super) interim: Vec<u8>,
}

impl Notes {
    pub(super) fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the error until hyper has written what it has, unless nothing more is to be written.
    pub(super) fn origin_failed<T>(
        &self,
        error: hyper::Error,
    ) -> Poll<Option<Result<T, hyper::Error>>> {
        let mut noted = self.lock();
        if noted.is_cut {
            return Poll::Ready(Some(Err(error)));
        }
        noted.failed = Some(error);
        Poll::Pending
    }

    pub(super) fn begin_response(&self) {
        let mut noted = self.lock();
        noted.responded = false;
        noted.responding = true;
        noted.failed = None;
    }
}
