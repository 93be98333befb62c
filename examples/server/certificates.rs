//! When certificates expire: the log says so early, and again each day.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A certificate that is replaced in time has more left: automatic renewal begins a month before, or at a third.
const EARLY: u64 = 14;

/// When the first certificate of each file expires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Certificates(BTreeMap<PathBuf, SystemTime>);

impl Certificates {
    /// Adds a file. Nothing is added without a time.
    pub(crate) fn add(&mut self, file: &Path, expires: Option<SystemTime>) {
        let Some(expires) = expires else { return };
        let known = self.0.entry(file.to_owned()).or_insert(expires);
        *known = expires.min(*known);
    }

    /// Adds all of others.
    pub(crate) fn add_all(&mut self, others: &Self) {
        for (file, expires) in others.iter() {
            self.add(file, Some(expires));
        }
    }

    /// The files, and when the first certificate in each expires.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, SystemTime)> {
        self.0.iter().map(|(file, expires)| (&**file, *expires))
    }

    /// Warns about those that have expired, or will within two weeks.
    pub(crate) fn warn(&self) {
        let now = SystemTime::now();
        for (file, expires) in self.iter() {
            let file = file.display();
            let left = expires.duration_since(now);
            match left.map(|left| left.as_secs() / DAY.as_secs()) {
                Err(_) => tracing::warn!("{file}: a certificate in it has expired"),
                Ok(0) => tracing::warn!("{file}: a certificate in it expires within a day"),
                Ok(days) if days < EARLY => {
                    tracing::warn!(days, "{file}: a certificate in it expires soon");
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
