//! The matrix of rules: every kind of rule against every way to ask, and what has to come of it.

pub mod cells;
pub mod clients;
