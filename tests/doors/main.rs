//! A second door opens no hole: each protocol against each feature of the stack behind it.
//!
//! One stack stands behind one port ([`stage`]), with everything in it that judges, bounds, counts or lists what
//! clients do. Each [feature](features) is tried through each [door](door), and where it counts something, what came
//! in through one door is missing at the next. Another protocol is another `Door`; another feature is another
//! line below.

#![cfg(all(
    feature = "http-server",
    feature = "limit",
    feature = "metrics",
    feature = "rules",
    feature = "users"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub
)]

mod bounds;
mod datagrams;
mod door;
mod features;
mod stage;

#[path = "../support/mod.rs"]
mod support;

/// Through every door that leads to a tunnel.
macro_rules! doors {
    ($file:ident $feature:ident) => {
        use crate::{door::Door, support::within, $file};

        #[tokio::test(start_paused = true)]
        async fn socks5() {
            within($file::$feature(Door::Socks5)).await;
        }

        #[tokio::test(start_paused = true)]
        async fn socks4() {
            within($file::$feature(Door::Socks4)).await;
        }

        #[tokio::test(start_paused = true)]
        async fn http() {
            within($file::$feature(Door::Http)).await;
        }
    };
}

/// Features, and those that take a tunnel: a request that is forwarded has none.
macro_rules! matrix {
    ($($file:ident: $($feature:ident)*, tunnels: $($of_tunnels:ident)*;)+) => {$($(
        mod $of_tunnels {
            doors!($file $of_tunnels);
        }
    )*$(
        mod $feature {
            doors!($file $feature);

            #[tokio::test(start_paused = true)]
            async fn get() {
                crate::support::within(crate::$file::$feature(crate::door::Door::Get)).await;
            }
        }
    )*)+};
}

matrix! {
    features:
        rules_by_user rules_by_network rules_by_protocol rules_by_destination literals self_connection
        recheck live_list metrics reply_codes,
        tunnels: log_line early_data half_close;
    bounds:
        failed_logins tunnels_by_user request_rate quota sessions_per_client sessions_per_user
        handshakes deadline,
        tunnels: bandwidth drain;
    datagrams:
        ,
        tunnels: datagrams_rules datagrams_recheck datagrams_live_list datagrams_metrics datagrams_log_line
        datagrams_tunnels_by_user datagrams_quota datagrams_bandwidth datagrams_drain datagrams_early;
}
