//! Whether lines of the log can be written.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Output, Place};

/// A line that takes so long to write is not read by anybody, for the moment at least.
const STUCK: Duration = Duration::from_secs(5);

/// Whether lines can be written.
#[derive(Clone, Debug)]
pub(crate) struct Condition(Arc<Mutex<Progress>>);

#[derive(Debug)]
struct Progress {
    /// What cannot be written to, in words.
    place: &'static str,
    /// When the write began that has not come back.
    writing: Option<Instant>,
    /// The last one failed.
    failed: bool,
}

const FILE: &str = "its file";

pub(super) fn in_words(place: &Place) -> &'static str {
    match place {
        Place::File(_) => FILE,
        Place::Stdout => "standard output",
        Place::Stderr => "standard error",
    }
}

impl Condition {
    pub(super) fn at(place: &Place) -> Self {
        Self(Arc::new(Mutex::new(Progress {
            place: in_words(place),
            writing: None,
            failed: false,
        })))
    }

    /// Returns why lines are lost, if they are.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let progress = self.progress();
        if progress
            .writing
            .is_some_and(|since| since.elapsed() >= STUCK)
        {
            Some(match progress.place {
                FILE => "the log is stuck: its file cannot be written",
                _ => "the log is stuck: nobody reads standard error",
            })
        } else if progress.failed {
            Some(match progress.place {
                FILE => "the log cannot be written to its file",
                _ => "the log cannot be written to standard error",
            })
        } else {
            None
        }
    }

    /// Writes lines, and returns how many of them are written.
    pub(super) fn write(&self, to: &mut Output, lines: &[u8]) -> u64 {
        self.progress().writing = Some(Instant::now());
        let written = to.write(lines);
        *self.progress() = Progress {
            place: in_words(to.place()),
            writing: None,
            failed: written.outcome.is_err(),
        };
        written.lines
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
