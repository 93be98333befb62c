//! Decisions of `Rules`, and the time to load them: ten values, and 100,000 networks with 1,000,000
//! suffixes.
//!
//! ```text
//! cargo bench --bench rules
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing
)]

mod harness;

use std::{
    fmt::Write,
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use harness::{measuring, median};
use tower_socks::{
    Request, Rules,
    proto::{Address, Command},
    session::Policy,
};

/// A rule file with so many networks and suffixes, all of them in two rules or each in its own.
fn file(networks: u32, suffixes: u32, separate: bool) -> String {
    let mut text = String::from("{\"default\": \"allow\", \"rules\": [");
    let values = (0..networks)
        .map(network)
        .chain((0..suffixes).map(|n| format!("*.{}", domain(n))));
    if separate {
        for value in values {
            _ = write!(text, "{{\"action\": \"deny\", \"to\": \"{value}\"}},");
        }
        text.push_str("{\"action\": \"allow\"}]}");
    } else {
        text.push_str("{\"action\": \"deny\", \"to\": [");
        for value in values {
            _ = write!(text, "\"{value}\",");
        }
        text.push_str("\"last.example\"]}]}");
    }
    text
}

/// Networks of public addresses, all over the place.
fn network(n: u32) -> String {
    let spread = n.wrapping_mul(2_654_435_761);
    let first = 64 + (spread >> 24) % 32;
    format!("{first}.{}.{}.0/24", (spread >> 16) & 255, n & 255)
}

fn domain(n: u32) -> String {
    format!("site{n}.zone{}.example", n % 1000)
}

/// A request, and the address that it is about to use.
type Question = (Request, Option<SocketAddr>);

/// Questions that hit and that miss, by name and by address.
fn questions() -> Vec<(&'static str, Vec<Question>)> {
    let request = |target: Address| Request::new(Command::CONNECT, target);
    let named = |name: String| request(Address::new(&name, 443).unwrap());
    let spread = |n: u32| n.wrapping_mul(40_503) % 1000;
    let hit = (0..512).map(|n| (named(format!("www.{}", domain(spread(n) % 10))), None));
    let miss = (0..512).map(|n| (named(format!("www{n}.other{}.test", spread(n))), None));
    let address = |n: u32| {
        let ip = Ipv4Addr::from_bits(0x4000_0000 | n.wrapping_mul(2_654_435_761) >> 3);
        SocketAddr::new(ip.into(), 443)
    };
    let literal = (0..512).map(|n| (request(Address::Ip(address(n))), None));
    let behind = (0..512).map(|n| (named(format!("www{n}.other.test")), Some(address(n))));
    vec![
        ("name, refused", hit.collect()),
        ("name, let pass", miss.collect()),
        ("address", literal.collect()),
        ("address behind a name", behind.collect()),
    ]
}

/// Nanoseconds for each decision.
fn time(rules: &Rules, questions: &[Question], rounds: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..rounds {
        for (request, address) in questions {
            black_box(match address {
                None => rules.check(black_box(request)),
                Some(address) => rules.check_address(black_box(request), *address),
            })
            .ok();
        }
    }
    let decisions = rounds as usize * questions.len();
    started.elapsed().as_nanos() as f64 / decisions as f64
}

fn main() {
    let smoke = !measuring();
    let (networks, suffixes) = if smoke {
        (100, 1000)
    } else {
        (100_000, 1_000_000)
    };
    let sizes = [
        ("ten values", file(5, 5, false)),
        ("all in one rule", file(networks, suffixes, false)),
        ("each a rule", file(networks, suffixes, true)),
    ];
    let loaded = sizes.map(|(name, json)| {
        let started = Instant::now();
        let rules: Rules = serde_json::from_str(&json.replace(",]", "]")).unwrap();
        println!(
            "{name}: {} rules loaded from JSON in {:?}",
            rules.len(),
            started.elapsed()
        );
        (name, rules)
    });
    if !smoke {
        let mut toml = String::from("default = \"allow\"\n[[rules]]\naction = \"deny\"\nto = [\n");
        for value in (0..networks).map(network) {
            _ = writeln!(toml, "\"{value}\",");
        }
        for n in 0..suffixes {
            _ = writeln!(toml, "\"*.{}\",", domain(n));
        }
        toml.push_str("]\n");
        let started = Instant::now();
        let rules: Rules = toml::from_str(&toml).unwrap();
        println!(
            "all in one rule: {} loaded from TOML in {:?}",
            rules.len(),
            started.elapsed()
        );
    }

    let (passes, rounds) = if smoke { (1, 1) } else { (21, 40) };
    for (what, questions) in questions() {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..passes {
            for (times, (_, rules)) in times.iter_mut().zip(&loaded) {
                times.push(time(rules, &questions, rounds));
            }
        }
        for (times, (name, _)) in times.into_iter().zip(&loaded) {
            println!("{what:<24} {name:<16} {:>6.0} ns", median(times));
        }
    }
}
