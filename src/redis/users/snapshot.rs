//! All accounts, as they were at one moment.

use std::{collections::HashMap, time::Duration};

use ::redis::Pipeline;
use tokio::time::Instant;

use super::{account::Account, error::Failure};
use crate::redis::{scripts, shared::Shared};

/// Accounts that are asked for at a time; Redis may give some more.
const AT_A_TIME: usize = 100;

/// Octets of a name: more cannot be sent.
const LONGEST_NAME: usize = 255;

/// Octets of an account.
const LONGEST: usize = 4_096;

/// Octets of an answer.
const LONGEST_ANSWER: usize = 1 << 20;

/// Octets of all accounts.
const MOST_OCTETS: usize = 64 << 20;

/// For how long they are read.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the next part begins, how many accounts are too long, and the part: names with what is stated.
type Page = (String, i64, Vec<(Vec<u8>, Vec<u8>)>);

/// What tells whether accounts have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    stated: Vec<u8>,
    count: i64,
}

#[derive(Default)]
pub(super) struct Snapshot {
    accounts: HashMap<Box<[u8]>, Account>,
    pub(super) version: Version,
    pub(super) unusable: Unusable,
}

/// What is written there and no account.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) count: usize,
    /// The first of them, and what is wrong with it.
    pub(super) first: Option<(String, String)>,
}

impl Version {
    /// Asks for it, whatever is written there.
    pub(super) async fn ask(shared: &Shared, place: &str) -> Result<Self, Failure> {
        let mut commands = Pipeline::new();
        let version = format!("{place}:version");
        scripts::execute(&mut commands, &scripts::ACCOUNTS, &version).arg("version");
        scripts::execute(&mut commands, &scripts::ACCOUNTS, place).arg("count");
        let answer = shared.scripts(&scripts::ACCOUNTS, &commands).await;
        let (stated, count) = answer.map_err(|_| Failure::Away)?;
        Ok(Self { stated, count })
    }
}

impl Snapshot {
    /// Reads all accounts, so many at most. Those that change meanwhile have another version.
    pub(super) async fn read(
        shared: &Shared,
        place: &str,
        version: Version,
        most: usize,
    ) -> Result<Self, Failure> {
        let mistake = |problem: String| Err(Failure::Mistake(problem));
        let too_many = |count: usize| {
            mistake(format!(
                "`{place}` has {count} fields, and {most} accounts are taken at most"
            ))
        };
        match usize::try_from(version.count) {
            Ok(count) if count > most => return too_many(count),
            // Of a Redis that comes back without its data nobody is to lose tunnels.
            Ok(0) if version.stated.is_empty() => {
                return mistake(format!(
                    "there is neither `{place}` nor `{place}:version`: they are not written yet, or lost"
                ));
            }
            Ok(_) => {}
            Err(_) => return mistake(format!("`{place}` is no hash")),
        }
        let mut read = Self {
            version,
            ..Self::default()
        };
        let (since, mut cursor, mut octets) = (Instant::now(), String::from("0"), 0);
        loop {
            let mut commands = Pipeline::new();
            scripts::execute(&mut commands, &scripts::ACCOUNTS, place)
                .arg("scan")
                .arg(&cursor)
                .arg(AT_A_TIME)
                .arg(LONGEST_NAME)
                .arg(LONGEST)
                .arg(LONGEST_ANSWER);
            let answer = shared.scripts(&scripts::ACCOUNTS, &commands).await;
            let answer: Result<(Page,), _> = answer;
            let ((next, dropped, accounts),) = answer.map_err(|_| Failure::Away)?;
            let Ok(dropped) = usize::try_from(dropped) else {
                return mistake(format!("`{place}` gives more than 1 MiB at a time"));
            };
            read.unusable.add(dropped, || {
                let problem =
                    format!("more than {LONGEST_NAME} octets of a name, or {LONGEST} in all");
                (String::new(), problem)
            });
            for (name, json) in accounts {
                octets += name.len() + json.len();
                read.insert(name, &json);
            }
            if read.accounts.len() > most {
                return too_many(read.accounts.len());
            }
            // Fields that come twice count twice, as they cost.
            if octets > MOST_OCTETS {
                return mistake(format!("`{place}` has more than 64 MiB"));
            }
            if next == "0" {
                return Ok(read);
            }
            if since.elapsed() > PATIENCE {
                return mistake(format!("`{place}` is not read in {PATIENCE:?}"));
            }
            cursor = next;
        }
    }

    fn insert(&mut self, name: Vec<u8>, json: &[u8]) {
        match Account::read(json) {
            Ok(account) => drop(self.accounts.insert(name.into(), account)),
            Err(problem) => {
                let name = String::from_utf8_lossy(&name).escape_debug().to_string();
                self.unusable.add(1, || (name, problem));
            }
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Account> {
        self.accounts.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Names whose accounts are others now, or gone.
    pub(super) fn changed(&self, now: &Self) -> Vec<Box<[u8]>> {
        let accounts = self.accounts.iter();
        let changed = accounts.filter(|(name, account)| match now.get(name) {
            Some(now) => !account.is_same(now),
            None => true,
        });
        changed.map(|(name, _)| name.clone()).collect()
    }
}

impl Unusable {
    fn add(&mut self, count: usize, first: impl FnOnce() -> (String, String)) {
        self.count += count;
        if count > 0 && self.first.is_none() {
            self.first = Some(first());
        }
    }
}
