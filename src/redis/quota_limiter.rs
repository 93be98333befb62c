use std::fmt;

use super::RedisQuotas;
use crate::{
    layer::{
        key::KeyExtractor,
        limit::Limiter,
        meter::{CalendarQuota, MakeMeter, QuotaKey, Quotas},
    },
    session::{Admission, Amount, Request},
};

/// Admits requests whose key has anything left of a quota: see [`CalendarQuota::limiter`].
#[derive(Clone)]
pub struct QuotaLimiter<M>(M);

impl<F, A> CalendarQuota<F, A, RedisQuotas<F::Key>>
where
    F: KeyExtractor<Key: QuotaKey>,
    A: Amount<Quotas>,
{
    /// Returns a [`Limiter`] that admits a request if its key has anything left. In a pair with others it asks Redis at the same
    /// time as they do; the meter of the quota finds a lease afterwards, and does not ask.
    #[must_use]
    pub fn limiter(&self) -> QuotaLimiter<Self> {
        QuotaLimiter(self.clone())
    }
}

impl<M: MakeMeter> Limiter for QuotaLimiter<M> {
    type Permit = ();

    fn admit(&self, request: &Request) -> Admission<()> {
        self.0.meter(request).map(drop)
    }
}

impl<M: fmt::Debug> fmt::Debug for QuotaLimiter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuotaLimiter").field(&self.0).finish()
    }
}
