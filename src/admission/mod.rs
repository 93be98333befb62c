//! Admission: live counts by key, events of keys at their limits, bounds on log lines, and back-off.

mod backoff;
mod client_network;
mod counts;
mod handshakes;
mod limit_events;
mod log_budget;

#[cfg(feature = "metrics")]
pub(crate) use self::limit_events::LIMITS;
pub(crate) use self::{
    backoff::Backoff,
    client_network::{client_network, network_of},
    counts::{Count, Counts},
    handshakes::InHandshake,
    limit_events::{LimitEvents, count_event, held_back},
    log_budget::LogBudget,
};

pub use self::handshakes::HandshakeLimit;
