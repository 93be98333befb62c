//! `[limits]` of the file: for each user, or for each client address where clients are anonymous.

mod in_force;
mod stated;
mod subject;
mod table;

pub(crate) use self::{in_force::InForce, stated::Limits};
