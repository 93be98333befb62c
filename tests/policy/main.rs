//! `Rules` and other policies: what they decide, when they are asked, and what a new one does to open tunnels.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod layers;
#[cfg(feature = "rules")]
mod literals;
#[cfg(feature = "rules")]
mod rebinding;
#[cfg(feature = "rules")]
mod recheck;
#[cfg(feature = "rules")]
mod recheck_hours;
mod recheck_names;
mod recheck_rounds;
mod recheck_sessions;
#[cfg(feature = "rules")]
mod rules;
#[cfg(feature = "rules")]
mod rules_builder;
#[cfg(feature = "rules")]
mod rules_choices;
#[cfg(feature = "rules")]
mod rules_conditions;
#[cfg(feature = "rules")]
mod rules_embedded;
#[cfg(feature = "rules")]
mod rules_files;
#[cfg(feature = "rules")]
mod rules_index;
#[cfg(feature = "rules")]
mod rules_literals;
#[cfg(feature = "rules")]
mod rules_matrix;
#[cfg(feature = "rules")]
mod rules_names;
#[cfg(feature = "rules")]
mod rules_protocols;
#[cfg(feature = "rules")]
mod rules_self_connection;
#[cfg(feature = "rules")]
mod rules_special;
#[cfg(feature = "rules")]
mod rules_special_names;
#[cfg(feature = "rules")]
mod rules_unreachable;
mod search_domain;
#[cfg(feature = "rules")]
mod swap;
mod swap_lookups;
#[cfg(feature = "rules")]
mod swap_often;
