use std::{fmt, future::Future};

use crate::{
    error::BoxError,
    session::{Dial, Request, Tunnel},
};

/// Runs a request with the service below a [`request_fn`](super::request_fn).
///
/// A clone of it runs another request, for a second attempt say.
#[derive(Clone)]
pub struct Next<S> {
    inner: S,
}

impl<S> Next<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Dial<Future: Send>> Next<S> {
    /// Waits until the service below is ready, and executes the request there.
    ///
    /// # Errors
    ///
    /// Those of the service: most often a [`Refusal`](crate::Refusal), or the error of a dial. What
    /// the closure returns of it becomes the reply code.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the dial, and its sockets.
    pub fn run(
        self,
        request: Request,
    ) -> impl Future<Output = Result<impl Tunnel + use<S>, BoxError>> + Send {
        self.inner.dial(request)
    }
}

impl<S> fmt::Debug for Next<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}
