//! A bound on live sessions, and the share of it that each client and user may have.

mod limit;
mod numbers;
mod place;
mod places;
mod queue;
mod shared;

pub use self::limit::SessionLimit;
#[cfg(feature = "metrics")]
pub(crate) use self::{limit::MOST as SESSIONS_LIMIT, queue::WAITING as SESSIONS_WAITING};
pub(crate) use self::{
    limit::{Entry, Full},
    place::{SessionHolder, SessionPlace},
    queue::Queueing,
};
