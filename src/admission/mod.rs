//! Admission: live counts by key, events of keys at their limits, and back-off.

mod backoff;
mod client_network;
mod counts;
mod limit_events;
mod unauthenticated;

#[cfg(feature = "metrics")]
pub(crate) use self::limit_events::LIMITS;
pub(crate) use self::{
    backoff::Backoff,
    client_network::{client_network, network_of},
    counts::{Count, Counts},
    limit_events::{LimitEvents, held_back},
    unauthenticated::{Unauthenticated, UnauthenticatedLimit},
};
