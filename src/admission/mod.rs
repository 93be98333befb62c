//! Admission: live counts by key, events of keys at their limits, bounds on log lines, and back-off.

mod backoff;
mod client_network;
mod counts;
mod limit_events;
mod log_budget;
mod unauthenticated;

#[cfg(feature = "metrics")]
pub(crate) use self::limit_events::LIMITS;
pub(crate) use self::{
    backoff::Backoff,
    client_network::{client_network, network_of},
    counts::{Count, Counts},
    limit_events::{LimitEvents, held_back},
    log_budget::LogBudget,
    unauthenticated::{Unauthenticated, UnauthenticatedLimit},
};
