//! Admission: live counts by key, events of keys at their limits, and back-off.

mod backoff;
mod counts;
mod limit_events;
mod unauthenticated;

#[cfg(feature = "metrics")]
pub(crate) use self::limit_events::LIMITS;
pub(crate) use self::{
    backoff::Backoff,
    counts::{Count, Counts},
    limit_events::{LimitEvents, held_back},
    unauthenticated::{Unauthenticated, UnauthenticatedLimit},
};
