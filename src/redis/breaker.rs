//! The circuit breaker: whether Redis is asked at all.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::admission::LogBudget;

/// Failures in a row after which nothing is asked any more.
const MOST: u32 = 3;

#[cfg(feature = "metrics")]
const UP: &str = "socks_store_up";
#[cfg(feature = "metrics")]
const FAILURES: &str = "socks_store_failures_total";

#[derive(Debug)]
pub(super) struct Breaker {
    is_open: AtomicBool,
    /// One that comes and goes is not told each time.
    lines: LogBudget,
    redirections: LogBudget,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    since: Option<Instant>,
}

impl Breaker {
    pub(super) fn new() -> Self {
        #[cfg(feature = "metrics")]
        {
            metrics::gauge!(UP, "store" => "redis").set(1);
            metrics::counter!(FAILURES, "store" => "redis").increment(0);
        }
        Self {
            is_open: AtomicBool::new(false),
            lines: LogBudget::new(10, Duration::from_secs(60)),
            redirections: LogBudget::new(1, Duration::from_secs(60)),
            state: Mutex::default(),
        }
    }

    /// Whether nothing is to be asked.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    pub(super) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = 0;
        if let Some(since) = state.since.take() {
            self.is_open.store(false, Ordering::Relaxed);
            #[cfg(feature = "metrics")]
            metrics::gauge!(UP, "store" => "redis").set(1);
            let away = since.elapsed().as_secs_f64();
            if let Some(suppressed) = self.lines.take() {
                let suppressed = suppressed.field();
                tracing::info!(store = "redis", away, suppressed, "the store answers again");
            }
        }
    }

    /// Notes that a key is elsewhere. Other keys are here, so that this alone never opens the breaker.
    pub(super) fn redirected(&self) {
        if let Some(suppressed) = self.redirections.take() {
            let suppressed = suppressed.field();
            tracing::warn!(
                store = "redis",
                suppressed,
                "this is Redis Cluster, whose redirections are not followed: limits whose keys are at other nodes do what they \
                 were told for a store that is away"
            );
        }
    }

    pub(super) fn failed(&self, error: &dyn fmt::Display) {
        #[cfg(feature = "metrics")]
        metrics::counter!(FAILURES, "store" => "redis").increment(1);
        tracing::debug!(store = "redis", %error, "the store has failed");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < MOST || state.since.is_some() {
            return;
        }
        state.since = Some(Instant::now());
        self.is_open.store(true, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::gauge!(UP, "store" => "redis").set(0);
        if let Some(suppressed) = self.lines.take() {
            let suppressed = suppressed.field();
            tracing::warn!(
                store = "redis",
                %error,
                suppressed,
                "the store is away: each limit does what it was told for that"
            );
        }
    }
}
