//! Admission: how many there are of each key, and when a key reaches a limit.

mod clients;
mod limit_events;
mod unauthenticated;

#[cfg(feature = "metrics")]
pub(crate) use self::limit_events::LIMITS;
pub(crate) use self::{
    clients::{Clients, Place},
    limit_events::{AtLimit, held_back},
    unauthenticated::{Arrival, Arrivals},
};
