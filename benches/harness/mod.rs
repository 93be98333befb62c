//! What the benchmarks share: how they are run, how they measure, and the two proxies that are
//! compared.
#![allow(
    dead_code,
    reason = "each benchmark is a crate of its own and uses a part of this"
)]

pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod handwritten;
pub(crate) mod peers;
pub(crate) mod proxy;

use std::io::{IsTerminal, Write};

/// Whether to measure. `cargo bench` says `--bench`; `cargo test` does not, or says `--test`, and
/// wants to see no more than that the benchmark works.
pub(crate) fn measuring() -> bool {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    given("--bench") && !given("--test")
}

/// `full` when measuring, and `smoke` otherwise.
pub(crate) fn scale<T>(full: T, smoke: T) -> T {
    if measuring() { full } else { smoke }
}

/// Whether to run a part: all of them, or those that are named on the command line.
pub(crate) fn wanted(part: &str, parts: &[&str]) -> bool {
    let named = |part| std::env::args().any(|argument| argument == part);
    named(part) || !parts.iter().any(|part| named(part))
}

/// The number behind a flag: `cargo bench --bench NAME -- --rounds 9`.
pub(crate) fn number(flag: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    match arguments.nth(1).map(|number| number.parse()) {
        Some(Ok(number)) => number,
        Some(Err(_)) => panic!("{flag} takes a number"),
        None => default,
    }
}

/// Shows on the terminal what is going on; a log gets nothing.
pub(crate) fn progress(what: std::fmt::Arguments<'_>) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r\x1b[K{what}");
        let _ = terminal.flush();
    }
}

/// The middle one: rounds that something else disturbed do not count.
pub(crate) fn median(samples: impl IntoIterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.into_iter().collect();
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => samples[middle],
        _ => f64::midpoint(samples[middle - 1], samples[middle]),
    }
}

/// So many descriptors as the system lets us have.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a limit below the maximum");
}
