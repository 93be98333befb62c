//! Admission: live counts by key, places under a bound, events of keys at their limits, bounds on log lines, and back-off.

mod backoff;
mod client_network;
mod counts;
mod fullness;
mod handshakes;
mod limit_events;
mod log_budget;
mod permits;
mod places;
mod said;
mod waiting;

#[cfg(feature = "metrics")]
pub(crate) use self::limit_events::LIMITS;
pub(crate) use self::{
    backoff::{Backoff, is_about_connection},
    client_network::{client_network, network_of},
    counts::{Count, Counts},
    fullness::Fullest,
    handshakes::InHandshake,
    limit_events::{LimitEvents, count_event, held_back},
    log_budget::{LogBudget, Suppressed},
    permits::Permits,
    places::{Place, Places},
    said::{Listened, answered, warned},
    waiting::{LOOKUPS_WAITING, VERIFICATIONS_WAITING, Waiting},
};

pub use self::{fullness::Fullness, handshakes::HandshakeLimit};
