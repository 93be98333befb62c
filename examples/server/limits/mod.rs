//! `[limits]` of the file: for each user, or for each client address where clients are anonymous.

mod fullest;
mod in_force;
mod stated;
mod subject;
mod table;

#[cfg(feature = "redis")]
pub(crate) use self::subject::Subject;
pub(crate) use self::{fullest::Full, in_force::InForce, stated::Limits};
