use std::fmt;

use futures_util::future::BoxFuture;

use crate::{error::Refusal, session::Request};

/// Decides whether a request is admitted, and hands out a permit that is held until its tunnel ends:
/// [`ConcurrentTunnels`](super::ConcurrentTunnels), [`RequestRate`](super::RequestRate), or one of yours for
/// [`LimitLayer`](super::LimitLayer).
pub trait Limiter: Clone + Send + Sync + 'static {
    /// What an admitted request holds. Dropping it ends the use of whatever it permits.
    type Permit: Send + 'static;

    /// Asks for a permit.
    fn admit(&self, request: &Request) -> Admission<Self::Permit>;
}

/// The answer of a [`Limiter`].
pub enum Admission<P> {
    /// Admitted.
    Permit(P),
    /// Not admitted; the refusal says what the client is told.
    Refused(Refusal),
    /// Known later. Dropping the future gives up the place in the queue.
    Later(BoxFuture<'static, Result<P, Refusal>>),
}

impl<P> fmt::Debug for Admission<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit(_) => "Permit",
            Self::Refused(_) => "Refused",
            Self::Later(_) => "Later",
        })
    }
}
