//! The limit of open descriptors.

use std::{
    fs, io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit, setrlimit};

/// Where the system lists those of this process.
const OPEN: &str = if cfg!(target_os = "linux") {
    "/proc/self/fd"
} else {
    "/dev/fd"
};

/// For how long a count is good enough: some systems count by a list of all.
const FRESH: Duration = Duration::from_millis(500);

/// Raises it: a session takes two, and the usual limit of 1,024 is about programs that use
/// `select(2)`.
pub(crate) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open descriptors");
    }
}

/// Whether descriptors are nearly gone, counted when somebody asks.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(Mutex<Option<(Instant, bool)>>);

impl Descriptors {
    /// Whether there are so few left that sessions may soon fail: a sixteenth of the limit, but 16 at least
    /// and 1,024 at most.
    pub(crate) fn are_nearly_gone(&self) -> bool {
        // One counts, and others that ask meanwhile hear the same.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((counted, are_gone)) if counted.elapsed() < FRESH => are_gone,
            _ => {
                let are_gone = are_nearly_gone();
                *last = Some((Instant::now(), are_gone));
                are_gone
            }
        }
    }
}

fn are_nearly_gone() -> bool {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return false;
    };
    let reserve = (limit / 16).clamp(16, 1024);
    match open() {
        Ok(open) => open.saturating_add(reserve) > limit,
        // To list them takes one: EMFILE. Elsewhere nobody knows, and nothing is said.
        Err(error) => error.raw_os_error() == Some(EMFILE),
    }
}

const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();

/// The limit in force, if there is one.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Counts those that are open.
pub(crate) fn open() -> io::Result<u64> {
    // Linux says it as the size of the list, from 6.2 on.
    if cfg!(target_os = "linux") {
        let open = fs::metadata(OPEN)?.len();
        if open > 0 {
            return Ok(open);
        }
    }
    Ok(fs::read_dir(OPEN)?.count() as u64)
}
