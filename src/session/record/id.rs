//! Numbers of sessions.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells a session from every other, those before a restart and those of other servers among them.
///
/// It is written in 16 hexadecimal digits, a hyphen, and the session's number. It says nothing about the client, and
/// is no secret: who has seen one can guess the next.
///
/// ```
/// use tower_socks::layer::record::{Recorder, SessionId};
///
/// assert_ne!(SessionId::default().to_string(), "");
/// assert_eq!(SessionId::default(), SessionId::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    instance: u64,
    number: u64,
}

impl SessionId {
    /// Returns what all sessions of one recorder have in common: random.
    #[must_use]
    pub const fn instance(self) -> u64 {
        self.instance
    }

    /// Returns the number of the session, of those of the recorder. The first has 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.instance, self.number)
    }
}

/// Numbers sessions.
#[derive(Debug)]
pub(crate) struct SessionIds {
    instance: u64,
    last: AtomicU64,
}

impl SessionIds {
    pub(crate) fn new() -> Self {
        // Its keys come from the system's random numbers.
        let mut hasher = RandomState::new().build_hasher();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        hasher.write_u128(now.unwrap_or_default().as_nanos());
        hasher.write_u32(std::process::id());
        Self {
            instance: hasher.finish(),
            last: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> SessionId {
        SessionId {
            instance: self.instance,
            number: self.last.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }
}
