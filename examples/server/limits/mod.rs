//! `[limits]` of the file: for each user, or for each client address where clients are anonymous.

mod fullest;
mod in_force;
mod stated;
mod subject;
mod table;

pub(crate) use self::{
    fullest::Full,
    in_force::{InForce, Of, Subjects},
    stated::Limits,
};
#[cfg(feature = "redis")]
pub(crate) use self::{
    fullest::full_of_subjects,
    in_force::{quotas_of, rates_of},
    subject::Subject,
};
