//! When certificates expire: the log says so early, and again each day.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A certificate that is replaced in time has more left: automatic renewal begins a month before, or at a third.
const EARLY: u64 = 14;

/// When the first certificate of each file expires, or the first list of revoked ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Certificates(BTreeMap<PathBuf, Expiry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expiry {
    at: SystemTime,
    /// What is in the file, for people.
    what: &'static str,
}

const CERTIFICATE: &str = "a certificate in it";
const LIST: &str = "a list of revoked certificates in it";

impl Certificates {
    /// Adds a file. Nothing is added without a time.
    pub(crate) fn add(&mut self, file: &Path, expires: Option<SystemTime>) {
        self.add_what(file, CERTIFICATE, expires);
    }

    /// Adds a file of lists of what authorities have revoked. Nothing is added without a time.
    pub(crate) fn add_lists(&mut self, file: &Path, expire: Option<SystemTime>) {
        self.add_what(file, LIST, expire);
    }

    fn add_what(&mut self, file: &Path, what: &'static str, expires: Option<SystemTime>) {
        let Some(at) = expires else { return };
        let first = Expiry { at, what };
        let known = self.0.entry(file.to_owned()).or_insert(first);
        if at < known.at {
            *known = first;
        }
    }

    /// Adds all of others.
    pub(crate) fn add_all(&mut self, others: &Self) {
        for (file, Expiry { at, what }) in &others.0 {
            self.add_what(file, what, Some(*at));
        }
    }

    /// The files, and when the first certificate or list in each expires.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, SystemTime)> {
        self.0.iter().map(|(file, expires)| (&**file, expires.at))
    }

    /// Warns about those that have expired, or will within two weeks.
    pub(crate) fn warn(&self) {
        let now = SystemTime::now();
        for (file, Expiry { at, what }) in &self.0 {
            let file = file.display();
            let left = at.duration_since(now);
            match left.map(|left| left.as_secs() / DAY.as_secs()) {
                Err(_) => tracing::warn!("{file}: {what} has expired"),
                Ok(0) => tracing::warn!("{file}: {what} expires within a day"),
                Ok(days) if days < EARLY => {
                    tracing::warn!(days, "{file}: {what} expires soon");
                }
                Ok(_) => {}
            }
        }
    }
}

/// Warns each day about those that are in force then, for as long as the program runs. The start and reloads warn by
/// themselves.
pub(crate) async fn remind(in_force: impl Fn() -> Certificates) {
    loop {
        tokio::time::sleep(DAY).await;
        in_force().warn();
    }
}
