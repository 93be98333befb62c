//! Passwords that were right a short time ago, so that a client who comes back costs no hash.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use argon2::password_hash::try_generate_salt;
use blake2::{
    Blake2bMac512,
    digest::{KeyInit, Mac},
};
use tower_socks::{BoxError, Credentials};

/// Entries in each of two generations.
const GENERATION: usize = 4_096;

/// Remembers which names and passwords were right. No password and no name is kept, but a code of both under a key
/// that this process alone has and that is gone with it.
pub(crate) struct Remembered {
    keyed: Blake2bMac512,
    span: Duration,
    known: Mutex<Known>,
}

struct Known {
    since: Instant,
    young: HashMap<Code, Instant>,
    old: HashMap<Code, Instant>,
}

/// Stands for a name, its password, and what that was compared with.
pub(crate) type Code = [u8; 64];

impl Remembered {
    /// Remembers for so long.
    pub(crate) fn new(span: Duration) -> Result<Self, BoxError> {
        let random = || try_generate_salt().map_err(|error| error.to_string());
        let key = [random()?, random()?].concat();
        Ok(Self {
            keyed: Blake2bMac512::new_from_slice(&key)?,
            span,
            known: Mutex::new(Known {
                since: Instant::now(),
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        })
    }

    /// Computes the code of credentials. `expected` is what the password is compared with: another one, and nothing is
    /// known any more.
    pub(crate) fn code(&self, credentials: &Credentials, expected: &[&[u8]]) -> Code {
        let mut code = self.keyed.clone();
        let sent = [credentials.name(), credentials.password().as_bytes()];
        for part in sent.iter().chain(expected) {
            // Or else two octets could change sides.
            code.update(&part.len().to_be_bytes());
            code.update(part);
        }
        code.finalize().into_bytes().into()
    }

    pub(crate) fn knows(&self, code: &Code) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let verified = known.young.get(code).or_else(|| known.old.get(code));
        // Nobody can guess a code, so how long the comparison takes tells nothing.
        verified.is_some_and(|at| at.elapsed() < self.span)
    }

    /// Remembers what was verified just now.
    pub(crate) fn verified(&self, code: Code) {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let aged = now.saturating_duration_since(known.since) >= self.span;
        if aged || known.young.len() >= GENERATION {
            known.since = now;
            known.old = mem::take(&mut known.young);
        }
        known.young.insert(code, now);
    }
}
