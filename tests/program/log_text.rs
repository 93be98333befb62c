//! How the log writes lines of text: as `tracing_subscriber` does without colours, but for the time that it takes.

#[path = "../../examples/server/log/spans.rs"]
mod spans;
#[path = "../../examples/server/log/subscriber.rs"]
pub(crate) mod subscriber;
#[path = "../../examples/server/log/text.rs"]
mod text;

use std::{error::Error, fmt};

use crate::{access_log_values::values, log_lines::Lines};
use subscriber::Lines as Ours;
use tracing::{Span, Subscriber, debug, error, field::Empty, info, info_span, trace, warn};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt};

/// What is logged, each line without its time, which has to be there.
fn logged(subscriber: impl Subscriber + Send + Sync, lines: &Lines, work: fn()) -> Vec<String> {
    tracing::subscriber::with_default(subscriber, work);
    let text = lines.text();
    let mut lines = Vec::new();
    for line in text.lines() {
        // 2026-11-28T09:00:17.573108Z
        let (time, rest) = line.split_at_checked(27).unwrap_or(("", line));
        match time.parse::<jiff::Timestamp>() {
            Ok(_) if time.ends_with('Z') => lines.push(rest.to_owned()),
            _ => lines.push(format!("no time: {line}")),
        }
    }
    lines
}

fn same(work: fn()) {
    let (theirs, ours) = (Lines::default(), Lines::default());
    let all = || tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let expected = all().with_ansi(false).with_writer(theirs.clone()).finish();
    let expected = logged(expected, &theirs, work);
    let written = Ours::new(ours.clone()).with(LevelFilter::TRACE);
    let written = logged(written, &ours, work);
    assert!(!expected.is_empty());
    assert_eq!(written, expected);
}

#[derive(Debug)]
struct Wrapped(&'static str, Option<Box<Wrapped>>);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|error| error as _)
    }
}

#[test]
fn levels_targets_and_values_are_written_the_same() {
    same(|| {
        error!("a message");
        warn!(target: "log", dropped = 7_u64, "lines dropped: {} is full", "stderr");
        info!(
            up = u64::MAX,
            down = 0_u64,
            small = 3_u8,
            signed = -4,
            real = 1.5,
            "numbers"
        );
        debug!(yes = true, text = "a \"text\"\n", shown = %"a b", debug = ?Some("x"));
        trace!(r#type = 1_u64, "raw name");
        info!(duration = ?std::time::Duration::from_micros(1_369), big = u128::MAX, "");
        info!("{}", "line\nbreak stays");
    });
}

#[test]
fn spans_are_written_the_same_with_what_is_recorded_later() {
    same(|| {
        let session = info_span!("session", peer = %"127.0.0.1:1", user = Empty, target = Empty);
        let _entered = session.enter();
        info!("before");
        session.record("user", tracing::field::display("joe"));
        info!("between");
        session.record("target", "x");
        let _inner = info_span!("inner").entered();
        let _last = info_span!("last", only = 1_u64).entered();
        warn!(outcome = %"done", "inside");
    });
}

#[test]
fn what_a_terminal_would_obey_is_written_the_same() {
    same(|| {
        info!("\x1b[31m red \x07\x08\x0c\x7f\u{9b}\u{80} ü 東");
        info!(text = "\x1b[31m\u{9b}", shown = %"\x1b[31m\u{9b}", "fields");
        let inner = Wrapped("in\x1bner", Some(Box::new(Wrapped("innermost", None))));
        let outer = Wrapped("out\x07er", Some(Box::new(inner)));
        let alone = Wrapped("al\x07one", None);
        info!(error = &outer as &dyn Error, "with sources");
        info!(error = &alone as &dyn Error, "without");
    });
}

/// A value that logs itself while it is formatted.
struct Logs;

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("inside");
        f.write_str("logs")
    }
}

#[test]
fn a_value_that_logs_is_written_the_same() {
    same(|| {
        info!(value = %Logs, "outside");
        let span = info_span!("span", value = %Logs);
        let _entered = span.entered();
        info!("message {}", Logs);
    });
}

#[test]
fn spans_that_end_before_those_within_them_are_written_the_same() {
    same(|| {
        let outer = info_span!("outer", number = 1_u64);
        let inner = outer.in_scope(|| info_span!("inner", number = 2_u64));
        let other = info_span!(parent: &inner, "other", number = Empty);
        drop((outer, inner));
        other.record("number", 3_u64);
        other.in_scope(|| info!("three of them"));
        let again = other.clone();
        drop(other);
        again.in_scope(|| {
            info!("held still");
            info!(parent: None, "alone");
            let root = info_span!(parent: None, "root");
            root.in_scope(|| warn!("in a root"));
            info!(parent: &root, "of a root");
            Span::current().record("number", 4_u64);
            info!("recorded in the current one");
        });
        info!("outside");
        // Their places are taken again, and what was said of them is gone.
        drop(again);
        let next = info_span!("next");
        next.in_scope(|| info!("another one"));
    });
}

#[test]
fn spans_that_are_left_in_another_order_are_written_the_same() {
    same(|| {
        let (one, other) = (info_span!("one").entered(), info_span!("other").entered());
        info!("in both");
        drop(one);
        info!("in the other");
        drop(other);
        info!("in none");
    });
}

#[test]
fn thousands_of_spans_are_written_the_same() {
    same(|| {
        let spans: Vec<Span> = (0..2_000).map(|n| info_span!("span", n)).collect();
        let (odd, even): (Vec<_>, Vec<_>) =
            spans.into_iter().enumerate().partition(|it| it.0 % 2 == 1);
        drop(even);
        let more: Vec<Span> = (0..1_500)
            .map(|n| info_span!("more", n, late = Empty))
            .collect();
        for span in &more {
            span.record("late", 1_u64);
        }
        for (_, span) in &odd {
            span.in_scope(|| info!("odd"));
        }
        for span in &more {
            span.in_scope(|| info!("more"));
        }
    });
}

#[test]
fn a_span_may_be_entered_and_closed_on_any_thread() {
    same(|| {
        let span = info_span!("span", user = Empty);
        let subscriber = tracing::dispatcher::get_default(Clone::clone);
        let clone = span.clone();
        let elsewhere = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&subscriber, || {
                clone.record("user", "joe");
                clone.in_scope(|| info!("elsewhere"));
                drop(clone);
            });
        });
        elsewhere.join().unwrap();
        span.in_scope(|| info!("here"));
    });
}

#[test]
fn what_comes_through_the_log_crate_has_its_own_target() {
    let lines = Lines::default();
    let ours = Ours::new(lines.clone());
    let written = logged(ours, &lines, || {
        tracing::event!(
            name: "log event",
            target: "log",
            tracing::Level::WARN,
            log.target = "hyper::proto",
            log.module_path = "hyper::proto::h1",
            log.line = 12_u64,
            "a message"
        );
    });
    assert_eq!(written, ["  WARN hyper::proto: a message"]);
}
