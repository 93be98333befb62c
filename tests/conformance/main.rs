//! What RFC 1928 and RFC 1929 ask for, and what users and attackers ask for beyond it: one line,
//! one case, real octets over real sockets.
//!
//! ```text
//! cargo test --test conformance
//! SOCKS_UNDER_TEST=127.0.0.1:1080 cargo test --test conformance -- --nocapture report
//! SOCKS_UNDER_TEST=127.0.0.1:1080 SOCKS_UNDER_TEST_USER=joe:secret cargo test ...
//! UPDATE=1 cargo test --test conformance
//! ```
//!
//! The first runs every case against a server of ours; each is a test of its own. The second runs
//! the cases about servers against another one on this machine and prints a table; what needs
//! something inside of ours is skipped, and says so. The third is for one that wants a name and a
//! password. The last writes the table into `README.md`.

#![cfg(feature = "users")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub
)]

#[macro_use]
mod case;
mod associate;
mod association;
mod bind;
mod client;
mod connect;
mod datagrams;
mod document;
#[cfg(unix)]
mod fleet;
mod framed;
mod frames;
mod gssapi;
mod http;
mod lookups;
mod mixed;
mod proxy_protocol;
mod replies;
mod requests;
mod selection;
mod server;
mod socks4;
mod talk;
mod tls;
mod udp_over_tcp;
mod userpass;

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(unix, feature = "redis"))]
#[path = "../redis/server.rs"]
#[allow(dead_code, reason = "another test program has it")]
mod store;

use case::Case;

/// All lines, in order.
const CASES: &[&[Case]] = &[
    selection::CASES,
    userpass::CASES,
    requests::CASES,
    replies::CASES,
    connect::CASES,
    bind::CASES,
    associate::CASES,
    datagrams::CASES,
    lookups::CASES,
    client::CASES,
    gssapi::CASES,
    mixed::CASES,
    socks4::CASES,
    proxy_protocol::CASES,
    http::CASES,
    tls::CASES,
    udp_over_tcp::CASES,
    #[cfg(unix)]
    fleet::CASES,
];

/// How many lines each kind has.
const LINES: &[(&str, usize)] = &[
    ("S", 7),
    ("U", 6),
    ("R", 13),
    ("N", 4),
    ("B", 6),
    ("A", 15),
    ("X", 6),
    ("C", 11),
    ("G", 9),
];

fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().copied().flatten()
}

#[test]
fn every_line_is_there_once_and_in_order() {
    let lines = LINES
        .iter()
        .flat_map(|(kind, last)| (1..=*last).map(move |number| format!("{kind}{number}")));
    // One port for several protocols, and then SOCKS4.
    let of_socks4 = ["M1", "M2", "M8", "M3", "M4", "M5", "M6", "M7", "M9"].map(String::from);
    let of_proxy_protocol = (1..=8).map(|number| format!("P{number}"));
    let of_http = (1..=9).map(|number| format!("H{number}"));
    let of_tls = (1..=6).map(|number| format!("T{number}"));
    let lines = lines.chain(of_socks4).chain(of_proxy_protocol);
    let over_tcp = (1..=10).map(|number| format!("O{number}"));
    let of_fleets = (1..=6).map(|number| format!("K{number}"));
    let lines = lines.chain(of_http).chain(of_tls).chain(over_tcp);
    let expected: Vec<_> = lines.chain(of_fleets).collect();
    let found: Vec<_> = all().map(|case| case.id).collect();
    assert_eq!(found, expected);
    for case in all() {
        let test = case.test.strip_prefix(&case.id.to_lowercase());
        assert!(
            test.is_some_and(|rest| rest.starts_with('_')),
            "{}",
            case.test
        );
        assert!(
            case.what.ends_with('.') && case.how.ends_with('.'),
            "{}",
            case.id
        );
    }
}

/// Prints the table. Fails for no other server than ours.
#[test]
fn report() {
    let failed = document::report(all());
    assert!(
        server::foreign().is_some() || failed == 0,
        "{failed} lines fail"
    );
}

#[test]
fn the_readme_is_up_to_date() {
    match server::foreign() {
        Some(_) => eprintln!("skipped: the README is about ours"),
        None => document::check(&all().collect::<Vec<_>>()),
    }
}
