//! The log of the program as it is put together: its own spans and lines, below a filter that a reload changes.

use std::sync::{Mutex, mpsc};

use tracing::{
    Dispatch, Span, Subscriber, debug, debug_span, dispatcher, field::Empty, info, info_span,
    subscriber::with_default, trace, warn,
};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, reload};

use crate::{log_entering::entering::Entering, log_lines::Lines, log_text::subscriber};

fn filter(directives: &str) -> EnvFilter {
    EnvFilter::builder().parse(directives).unwrap()
}

fn whole(directives: &str) -> (impl Subscriber + Send + Sync + use<>, Lines) {
    let lines = Lines::default();
    let (filter, _) = reload::Layer::new(filter(directives));
    let log = subscriber::Lines::new(lines.clone()).with(filter);
    (Entering::new(log), lines)
}

/// What was logged, without the time of each line.
fn without_times(lines: &Lines) -> Vec<String> {
    let text = lines.text();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap().1);
    lines.map(String::from).collect()
}

#[test]
fn directives_about_spans_let_the_same_lines_through() {
    fn work() {
        for user in ["joe", "jane"] {
            let session = info_span!("session", peer = "a", user = Empty);
            session.in_scope(|| debug!("before {user}"));
            session.record("user", tracing::field::display(user));
            session.in_scope(|| debug!("of {user}"));
            session.in_scope(|| {
                debug_span!("request", n = 1_u64).in_scope(|| trace!("deep {user}"));
                debug!("again {user}");
            });
            let again = session.clone();
            drop(session);
            again.in_scope(|| debug!("clone of {user}"));
            debug!("outside");
            again.in_scope(|| warn!("of {user} in any case"));
        }
    }
    for directives in [
        "warn,[session{user=joe}]=debug",
        "warn,[session{user=joe}]=trace,[request]=debug",
        "info,[{user}]=trace",
        "warn,[session{peer=\"a\"}]=debug",
    ] {
        let theirs = Lines::default();
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter(directives))
            .with_ansi(false)
            .with_writer(theirs.clone())
            .finish();
        with_default(log, work);
        let (log, ours) = whole(directives);
        with_default(log, work);
        let expected = without_times(&theirs);
        assert!(expected.len() >= 2, "{directives}");
        assert_eq!(without_times(&ours), expected, "{directives}");
    }
}

#[test]
fn spans_that_end_on_other_threads_keep_their_parents_and_fields() {
    const THREADS: u64 = 8;
    const SPANS: u64 = 1_000;
    let (log, lines) = whole("info,[session{n=3}]=debug");
    let log = Dispatch::new(log);
    let (sender, receiver) = mpsc::channel::<Span>();
    let receiver = Mutex::new(receiver);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sender, receiver, log) = (sender.clone(), &receiver, log.clone());
            scope.spawn(move || {
                dispatcher::with_default(&log, || {
                    for n in 0..SPANS {
                        let session = info_span!("session", thread, n, user = Empty);
                        let inner = session.in_scope(|| info_span!("inner", thread, n));
                        session.record("user", n);
                        sender.send(inner).unwrap();
                        drop(session);
                        let other = receiver.lock().unwrap().recv().unwrap();
                        other.in_scope(|| info!("there"));
                    }
                });
            });
        }
    });
    let mut written = without_times(&lines);
    let mut expected: Vec<_> = (0..THREADS * SPANS)
        .map(|one| {
            let (thread, n) = (one / SPANS, one % SPANS);
            let of = format!("thread={thread} n={n}");
            format!(" INFO session{{{of} user={n}}}:inner{{{of}}}: program::log_whole: there")
        })
        .collect();
    written.sort_unstable();
    expected.sort_unstable();
    assert_eq!(written, expected);
}
