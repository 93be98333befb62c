//! Answers of those who share out what is limited: at once, or later.

use std::{fmt, future::Future, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::{error::Refusal, proto::ReplyCode};

/// For how long a store that bounds no waits itself is waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// The decision about a request by a [`Limiter`](crate::layer::limit::Limiter) or a
/// [`MakeMeter`](crate::layer::meter::MakeMeter): a permit of it, or the meter.
pub enum Admission<P> {
    /// Admits the request.
    Permit(P),
    /// Refuses the request, with the reply code of the refusal.
    Refused(Refusal),
    /// Decides later. Dropping the future gives up the place in the queue.
    Later(BoxFuture<'static, Result<P, Refusal>>),
}

impl<P> Admission<P> {
    /// Returns the decision, if it is made already.
    pub fn now(self) -> Option<Result<P, Refusal>> {
        match self {
            Self::Permit(permit) => Some(Ok(permit)),
            Self::Refused(refusal) => Some(Err(refusal)),
            Self::Later(_) => None,
        }
    }

    /// Maps the permit, now or later.
    ///
    /// ```
    /// use tower_socks::session::Admission;
    ///
    /// assert_eq!(Admission::Permit(2).map(|permit| permit + 1).now().unwrap().unwrap(), 3);
    /// ```
    #[must_use]
    pub fn map<Q>(self, map: impl FnOnce(P) -> Q + Send + 'static) -> Admission<Q>
    where
        P: 'static,
    {
        match self {
            Self::Permit(permit) => Admission::Permit(map(permit)),
            Self::Refused(refusal) => Admission::Refused(refusal),
            Self::Later(later) => Admission::Later(Box::pin(async { later.await.map(map) })),
        }
    }
}

impl<P> From<Result<P, Refusal>> for Admission<P> {
    fn from(decided: Result<P, Refusal>) -> Self {
        decided.map_or_else(Self::Refused, Self::Permit)
    }
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

/// The answer of a store: how much of what it was asked for can be had, now or later.
///
/// A store in memory knows at once. One that proxies share across a network may have to ask there: a request that waits for it
/// waits before its dial, and a tunnel is held back as by a bandwidth limit. A store should bound that wait itself, to what
/// its users are to notice; after five seconds the request is refused with 01, and the tunnel ends.
pub enum Share<T = u64> {
    /// What can be had.
    Now(T),
    /// What can be had is known later; or it cannot be told, as when the store is away and the limit is closed then. Dropping
    /// the future gives back what it would have been.
    Later(BoxFuture<'static, Result<T, Refusal>>),
}

impl<T: Send + 'static> Share<T> {
    /// Returns what can be had, if that is known already.
    pub fn now(self) -> Option<T> {
        match self {
            Self::Now(share) => Some(share),
            Self::Later(_) => None,
        }
    }

    /// Changes what can be had.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> Share<U> {
        match self {
            Self::Now(share) => Share::Now(change(share)),
            Self::Later(later) => Share::Later(Box::pin(async move { later.await.map(change) })),
        }
    }

    /// Answers that nothing can be told.
    pub fn refused(refusal: Refusal) -> Self {
        Self::Later(Box::pin(async { Err(refusal) }))
    }
}

impl<T: fmt::Debug> fmt::Debug for Share<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(share) => f.debug_tuple("Now").field(share).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Waits for the answer of a store, but not for ever.
#[cfg_attr(not(feature = "limit"), expect(dead_code, reason = "of limits"))]
pub(crate) async fn answered<T>(
    later: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    match timeout(LONGEST, later).await {
        Ok(answer) => answer,
        Err(_) => Err(Refusal::new(
            ReplyCode::GENERAL_FAILURE,
            "the store that counts for a limit has not answered in time",
        )),
    }
}
