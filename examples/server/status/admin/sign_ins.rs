//! Who has said the password, for some time.

use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use subtle::ConstantTimeEq;
use tower_socks::tls::rustls::crypto::ring;

/// Sign-ins at once. One more ends the oldest.
const MOST: usize = 16;

/// When one ends: after so long without a request, and in any case.
const IDLE: Duration = Duration::from_secs(15 * 60);
const LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);

/// All sign-ins.
#[derive(Default)]
pub(super) struct SignIns(Mutex<VecDeque<SignIn>>);

struct SignIn {
    secrets: Secrets,
    began: Instant,
    used: Instant,
}

/// What the browser sends with each request: the cookie by itself, the token because the page says so. Another page
/// in the same browser has the cookie sent at most, and another port of the host gets to know it at most.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secrets {
    pub(super) cookie: String,
    pub(super) token: String,
}

impl SignIns {
    /// Begins one. `None` where the system has no random numbers.
    pub(super) fn begin(&self) -> Option<Secrets> {
        let secrets = Secrets {
            cookie: random()?,
            token: random()?,
        };
        let mut all = self.current();
        if all.len() >= MOST {
            all.pop_front();
        }
        let now = Instant::now();
        all.push_back(SignIn {
            secrets: secrets.clone(),
            began: now,
            used: now,
        });
        Some(secrets)
    }

    /// Whether both belong to one that has not ended.
    pub(super) fn is_one(&self, secrets: &Secrets) -> bool {
        let mut all = self.current();
        let one = all.iter_mut().find(|one| one.secrets.are(secrets));
        one.map(|one| one.used = Instant::now()).is_some()
    }

    /// Ends one.
    pub(super) fn end(&self, secrets: &Secrets) {
        self.current().retain(|one| !one.secrets.are(secrets));
    }

    /// Those that have not ended.
    fn current(&self) -> MutexGuard<'_, VecDeque<SignIn>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.used.elapsed() < IDLE && one.began.elapsed() < LIFETIME);
        all
    }
}

impl Secrets {
    fn are(&self, other: &Self) -> bool {
        let cookie = self.cookie.as_bytes().ct_eq(other.cookie.as_bytes());
        bool::from(cookie & self.token.as_bytes().ct_eq(other.token.as_bytes()))
    }
}

/// 32 octets that nobody can guess.
fn random() -> Option<String> {
    let mut octets = [0; 32];
    let filled = ring::default_provider().secure_random.fill(&mut octets);
    filled.ok()?;
    let mut text = String::new();
    for octet in octets {
        // Writing to a string never fails.
        _ = write!(text, "{octet:02x}");
    }
    Some(text)
}
