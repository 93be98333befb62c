//! Spans that are entered once something is logged in them: the lines are those of a log that enters each at once.

#[path = "../../examples/server/log/entering.rs"]
pub(crate) mod entering;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::log_lines::Lines;
use entering::Entering;
use tracing::{Span, Subscriber, debug, field::Empty, info, info_span, span, subscriber, warn};
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::Context, layer::SubscriberExt as _};

/// A log with a filter, as the program has one, and where it writes.
fn log(filter: &str) -> (impl Subscriber + Send + Sync + use<>, Lines) {
    let lines = Lines::default();
    let filter = EnvFilter::builder().parse(filter).unwrap();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .with_ansi(false)
        .with_writer(lines.clone());
    (log.finish(), lines)
}

/// What is logged, the same with and without.
fn logged(filter: &str, work: fn()) -> String {
    let (plain, expected) = log(filter);
    subscriber::with_default(plain, work);
    let (inner, written) = log(filter);
    subscriber::with_default(Entering::new(inner), work);
    let text = |lines: Lines| lines.text();
    let (expected, written) = (text(expected), text(written));
    assert_eq!(written, expected);
    assert!(!written.is_empty());
    written
}

#[test]
fn lines_have_the_spans_around_them() {
    let written = logged("debug", || {
        info!("outside");
        let session = info_span!("session", peer = "joe", user = Empty);
        session.in_scope(|| {});
        session.in_scope(|| {
            let request = info_span!("request", number = 1);
            request.in_scope(|| debug!("in both"));
            session.record("user", "jane");
            info!("in one");
            request.in_scope(|| warn!("in both again"));
        });
        info!("outside again");
        session.in_scope(|| info!("once more"));
        // Another thread has spans of its own.
        let subscriber = tracing::dispatcher::get_default(Clone::clone);
        let elsewhere = session.clone();
        let _in = session.enter();
        std::thread::spawn(move || {
            tracing::dispatcher::with_default(&subscriber, || {
                info!("elsewhere, outside");
                elsewhere.in_scope(|| info!("elsewhere"));
            });
        })
        .join()
        .unwrap();
        info!("and here");
    });
    assert!(
        written.contains(r#"session{peer="joe" user="jane"}: "#),
        "{written}"
    );
}

#[test]
fn a_span_is_in_the_one_that_the_thread_is_in() {
    let written = logged("info", || {
        let outer = info_span!("outer");
        let inner = outer.in_scope(|| info_span!("inner"));
        let root = outer.in_scope(|| info_span!(parent: None, "root"));
        let explicit = span!(parent: &inner, tracing::Level::INFO, "explicit");
        let current = inner.in_scope(Span::current);
        inner.in_scope(|| info!("of two"));
        root.in_scope(|| info!("of one"));
        explicit.in_scope(|| info!("of three"));
        current.in_scope(|| info!("of two as well"));
        outer.in_scope(|| info!(parent: &root, "of another"));
        assert_eq!(current.id(), inner.id());
    });
    assert!(written.contains("outer:inner:explicit: "), "{written}");
}

#[test]
fn spans_are_left_in_any_order() {
    logged("info", || {
        let (one, other) = (info_span!("one"), info_span!("other"));
        for logs_before in [false, true] {
            let first = one.enter();
            let again = one.enter();
            if logs_before {
                info!("in one");
            }
            let second = other.enter();
            drop(first);
            info!("in both");
            drop(again);
            info!("in the other");
            drop(second);
            info!("outside");
        }
    });
}

/// Filters that go by spans and their fields.
#[test]
fn filters_see_the_spans_around_a_line() {
    let written = logged("warn,[session{user=joe}]=debug", || {
        for user in ["joe", "jane"] {
            let session = info_span!("session", user);
            session.in_scope(|| {});
            session.in_scope(|| debug!("of {user}"));
            debug!("outside");
            session.in_scope(|| warn!("of {user} in any case"));
        }
    });
    assert!(
        written.contains("of joe") && !written.contains("DEBUG session{user=\"jane\"}"),
        "{written}"
    );
}

/// Counts how often spans are entered and left.
#[derive(Clone, Default)]
struct Turns(Arc<(AtomicUsize, AtomicUsize)>);

impl<S: Subscriber> Layer<S> for Turns {
    fn on_enter(&self, _: &span::Id, _: Context<'_, S>) {
        self.0.0.fetch_add(1, Relaxed);
    }

    fn on_exit(&self, _: &span::Id, _: Context<'_, S>) {
        self.0.1.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_span_in_which_nothing_is_logged_is_not_entered() {
    let turns = Turns::default();
    let inner = Registry::default().with(turns.clone());
    subscriber::with_default(Entering::new(inner), || {
        let session = info_span!("session");
        for round in 0..100 {
            session.in_scope(|| {
                if round == 50 {
                    info!("once");
                    info!("and again");
                }
            });
        }
    });
    let (entered, left) = (turns.0.0.load(Relaxed), turns.0.1.load(Relaxed));
    assert_eq!((entered, left), (1, 1));
}
