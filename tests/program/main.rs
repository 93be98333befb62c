//! The example server as a program of its own.

#![cfg(all(unix, feature = "rules", feature = "users"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod about;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod access_log;
mod access_log_values;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod admin;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod amounts;
mod certificates;
mod changes;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod check;
mod config;
mod container;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod datagrams;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod directories;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod doors;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod drain;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod escapes;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod health;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod healthcheck;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod limits;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod listeners;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod load;
mod log;
mod log_entering;
mod log_lines;
mod log_text;
mod log_whole;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod logins;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod lookups;
mod manuals;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod metrics;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod mistakes;
mod names;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod network;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod pac;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod page;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod probes;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod recipes;
mod reload;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod replies;
mod server;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod sessions;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod status;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod systemd;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod systemd_store;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod tunnels;
mod udp_over_tcp;
#[cfg(target_os = "linux")]
mod unacknowledged;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod upgrade;
mod upgrade_socket;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod upstream_udp;
#[cfg(all(feature = "limit", feature = "metrics", feature = "proxy-url"))]
mod upstreams;
#[cfg(all(feature = "limit", feature = "proxy-url"))]
mod users_file;
