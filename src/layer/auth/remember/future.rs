use std::{error::Error, fmt, sync::Arc};

use crate::{error::BoxError, session::Identity};

opaque_future! {
    /// A verification, or the memory of one: the future of [`Remember`](super::Remember).
    ///
    /// Dropping it leaves the question to others who wait for the same answer, and if there are none drops the
    /// verifier's future.
    pub struct ResponseFuture = Result<Identity, BoxError>;
}

/// An error that several wait for: it reads like the error itself, which is its source.
#[derive(Clone, Debug)]
pub(super) struct SharedError(Arc<BoxError>);

impl SharedError {
    pub(super) fn new(error: BoxError) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.0)
    }
}
