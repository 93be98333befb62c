//! Whether an alternative is up or down, and until when it is left alone.

use std::{
    fmt,
    sync::{Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use tokio::time::Instant;

use crate::admission::{Backoff, LogBudget, Suppressed, warned};

/// How long an alternative is not tried after failures in a row.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// Octets of an error that are kept.
const ERROR: usize = 256;

/// What is known of one alternative.
#[derive(Debug)]
pub(super) struct State {
    name: Box<str>,
    health: Mutex<Health>,
    in_use: AtomicUsize,
    /// One that comes and goes has a few lines, and one in 10 s.
    lines: LogBudget,
}

#[derive(Debug, Default)]
struct Health {
    /// Of requests, since one was answered.
    failures: u32,
    /// Not tried until then, after failures of requests.
    down_until: Option<Instant>,
    /// When it has answered last.
    answered: Option<Instant>,
    probes: Probed,
    /// Why it is down, and since when.
    outage: Option<(Instant, Box<str>)>,
    /// Whether the log knows that it is down.
    told: bool,
}

/// What probes have found.
#[derive(Clone, Copy, Debug, Default)]
struct Probed {
    is_down: bool,
    /// In a row.
    successes: u32,
    failures: u32,
}

/// How many probes in a row it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    pub(super) rise: u32,
    pub(super) fall: u32,
    /// Whether a success shows that requests would be executed as well.
    pub(super) vouches: bool,
}

impl Health {
    fn is_down(&self) -> bool {
        self.failures > 0 || self.probes.is_down
    }
}

/// What the log has to say about a failure.
enum Line {
    Down(Suppressed),
    Again,
    Still(u32),
}

impl State {
    pub(super) fn new(name: Box<str>) -> Self {
        Self {
            name,
            health: Mutex::default(),
            in_use: AtomicUsize::new(0),
            lines: LogBudget::new(4, Duration::from_secs(10)),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn in_use(&self) -> &AtomicUsize {
        &self.in_use
    }

    /// Whether it may be tried now.
    pub(super) fn is_up(&self) -> bool {
        self.lock(|health| {
            let is_over = |until: Instant| until <= Instant::now();
            !health.probes.is_down && health.down_until.is_none_or(is_over)
        })
    }

    /// Until when it is down for failures of requests, if it is.
    pub(super) fn down_until(&self) -> Option<Instant> {
        self.lock(|health| health.down_until.filter(|until| *until > Instant::now()))
    }

    pub(super) fn is_found_down(&self) -> bool {
        self.lock(|health| health.probes.is_down)
    }

    /// For how long it has worked for nobody, and the error with which that began.
    pub(super) fn outage(&self) -> Option<(Duration, String)> {
        self.lock(|health| {
            let outage = health.outage.as_ref();
            outage.map(|(since, error)| (since.elapsed(), error.to_string()))
        })
    }

    /// Notes that a request begins. Where the alternative has failed, that is one try: for all other requests
    /// it stays down for as long as its last failure took it.
    pub(super) fn tried(&self, begun: Instant) {
        self.lock(|health| {
            if health.down_until.is_some() {
                health.down_until = begun.checked_add(BACKOFF.after(health.failures));
            }
        });
    }

    pub(super) fn has_answered_since(&self, begun: Instant) -> bool {
        self.lock(|health| health.answered.is_some_and(|answered| answered >= begun))
    }

    /// Notes a failure. `error` is what the log says, and `is_warned` whether it has said so as a
    /// warning.
    pub(super) fn failed(&self, error: &dyn fmt::Display, is_warned: bool) {
        let line = self.lock(|health| {
            let was_down = health.is_down();
            health.probes.successes = 0;
            health.failures = health.failures.saturating_add(1);
            health.down_until = Instant::now().checked_add(BACKOFF.after(health.failures));
            self.goes_down(health, was_down, error)
        });
        self.say(line, error, is_warned);
    }

    /// Notes a probe that failed.
    pub(super) fn probe_failed(&self, turns: Turns, error: &dyn fmt::Display, is_warned: bool) {
        let line = self.lock(|health| {
            let was_down = health.is_down();
            let probes = &mut health.probes;
            probes.successes = 0;
            probes.failures = probes.failures.saturating_add(1);
            probes.is_down |= probes.failures >= turns.fall;
            let is_down = health.is_down();
            is_down.then(|| self.goes_down(health, was_down, error))
        });
        match line {
            Some(line) => self.say(line, error, is_warned),
            None => tracing::debug!(upstream = %self.name, %error, "probe failed"),
        }
    }

    fn goes_down(&self, health: &mut Health, was_down: bool, error: &dyn fmt::Display) -> Line {
        if was_down {
            return Line::Still(health.failures.max(health.probes.failures));
        }
        let mut text = error.to_string();
        let cut = (0..=ERROR).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        health.outage = Some((Instant::now(), text.into()));
        match self.lines.take() {
            Some(before) => {
                health.told = true;
                Line::Down(before)
            }
            None => Line::Again,
        }
    }

    fn say(&self, line: Line, error: &dyn fmt::Display, is_warned: bool) {
        let upstream = &self.name;
        match line {
            Line::Down(before) if is_warned => {
                let suppressed = before.field();
                tracing::info!(%upstream, %error, suppressed, "upstream marked down");
            }
            Line::Down(before) => {
                let suppressed = before.field();
                tracing::warn!(%upstream, %error, suppressed, "upstream marked down");
                warned();
            }
            Line::Again => tracing::debug!(%upstream, %error, "upstream marked down once more"),
            Line::Still(failures) => {
                tracing::debug!(%upstream, failures, %error, "upstream still down");
            }
        }
    }

    /// Notes an answer. One that probes have found down stays so until they find it up.
    pub(super) fn answered(&self) {
        self.recovers(|health| {
            health.answered = Some(Instant::now());
            let failures = std::mem::take(&mut health.failures);
            health.down_until = None;
            failures
        });
    }

    /// Notes a probe that has succeeded.
    pub(super) fn probe_succeeded(&self, turns: Turns) {
        self.recovers(|health| {
            let probes = &mut health.probes;
            probes.successes = probes.successes.saturating_add(1);
            if turns.vouches {
                health.answered = Some(Instant::now());
            }
            if !probes.is_down {
                probes.failures = 0;
            }
            if probes.successes < turns.rise {
                return 0;
            }
            probes.is_down = false;
            let failures = std::mem::take(&mut probes.failures);
            match turns.vouches {
                true => {
                    health.down_until = None;
                    failures.max(std::mem::take(&mut health.failures))
                }
                false => failures,
            }
        });
    }

    /// Says so where a change that returns failures has brought it up.
    fn recovers(&self, change: impl FnOnce(&mut Health) -> u32) {
        let (is_up_again, told, failures) = self.lock(|health| {
            let was_down = health.is_down();
            let failures = change(health);
            let is_up_again = was_down && !health.is_down();
            if is_up_again {
                health.outage = None;
            }
            let told = is_up_again && std::mem::take(&mut health.told);
            (is_up_again, told, failures)
        });
        let upstream = &self.name;
        if told {
            tracing::info!(%upstream, failures, "upstream up again");
        } else if is_up_again {
            tracing::debug!(%upstream, failures, "upstream up once more");
        }
    }

    fn lock<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
