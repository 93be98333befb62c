use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Duration,
};

use tokio::time::Instant;

use crate::layer::limit::LoginKey;

/// Keys of failures that are kept until they are told, and as many logins.
const MOST: usize = 4_096;

/// One failure is forgiven after so long.
pub(super) const FORGIVEN: Duration = Duration::from_secs(60);

/// What Redis has not been told of logins: bounded, since it may be away for long.
#[derive(Default)]
pub(super) struct Untold {
    failures: HashMap<LoginKey, Failures>,
    logins: HashSet<(u64, IpAddr)>,
}

/// Failures of a key.
struct Failures {
    /// When all of them are forgiven: those that have been waiting for a minute are so already.
    forgiven: Instant,
    most: u32,
}

/// One thing to tell.
pub(super) enum News {
    /// Failures of a key, as the time until all are forgiven, and the longest that may be.
    Failed(LoginKey, Duration, Duration),
    Succeeded(u64, IpAddr),
}

impl Untold {
    /// Notes a failure. Returns whether there was room for it.
    pub(super) fn failed(&mut self, key: LoginKey, most: u32) -> bool {
        let now = Instant::now();
        if self.failures.len() >= MOST && !self.failures.contains_key(&key) {
            self.failures.retain(|_, failures| failures.forgiven > now);
            if self.failures.len() >= MOST {
                return false;
            }
        }
        let failures = self.failures.entry(key).or_insert(Failures {
            forgiven: now,
            most,
        });
        failures.most = most;
        let longest = now + FORGIVEN.saturating_mul(most);
        failures.forgiven = (failures.forgiven.max(now) + FORGIVEN).min(longest);
        true
    }

    /// Notes a login. Returns whether there was room for it.
    pub(super) fn succeeded(&mut self, client: IpAddr, name: u64) -> bool {
        let is_kept = self.logins.len() < MOST || self.logins.contains(&(name, client));
        if is_kept {
            self.logins.insert((name, client));
        }
        is_kept
    }

    /// Takes what is to be told, so much at most.
    pub(super) fn take(&mut self, most: usize) -> Vec<News> {
        let now = Instant::now();
        let mut news = Vec::new();
        let failures = self.failures.extract_if(|_, _| true).take(most);
        for (key, failures) in failures {
            let left = failures.forgiven.saturating_duration_since(now);
            if !left.is_zero() {
                let longest = FORGIVEN.saturating_mul(failures.most);
                news.push(News::Failed(key, left, longest));
            }
        }
        let rest = most.saturating_sub(news.len());
        let logins = self.logins.extract_if(|_| true).take(rest);
        news.extend(logins.map(|(name, client)| News::Succeeded(name, client)));
        news
    }

    pub(super) fn is_empty(&self) -> bool {
        self.failures.is_empty() && self.logins.is_empty()
    }
}
