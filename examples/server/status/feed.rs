//! The latest requests that were refused or failed, and failed logins, each with its reason.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::Serialize;
use tower_socks::{
    Identity,
    layer::record::{EndKind, Record},
};

use super::{history::unix, network::network, row};
use crate::log;

/// Entries that are kept, and of them those of one client network: one client that is refused all the time leaves
/// room for others.
const MOST: usize = 200;
const MOST_PER_CLIENT: usize = 25;

/// The longest text of an entry, in characters.
const LONGEST: usize = 300;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// By a policy or a limit, at once or later.
    Refused,
    /// For want of the target, an upstream or something of this server's.
    Failed,
    /// Credentials were wrong.
    Login,
}

impl Kind {
    /// What clients do by themselves is none of these.
    const fn of(end: EndKind) -> Option<Self> {
        match end {
            EndKind::LoginFailed => Some(Self::Login),
            EndKind::Refused | EndKind::Policy | EndKind::Limit => Some(Self::Refused),
            EndKind::Unreachable
            | EndKind::Upstream
            | EndKind::Failed
            | EndKind::TransportBroke
            | EndKind::Panicked => Some(Self::Failed),
            _ => None,
        }
    }
}

/// An entry without its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Event {
    kind: Kind,
    client: IpAddr,
    /// Or the name that was tried.
    user: String,
    protocol: &'static str,
    command: String,
    target: String,
    reason: String,
}

impl Event {
    fn of(record: &Record) -> Option<Self> {
        let end = record.end.as_ref()?;
        let tried = record.tried.as_ref().map(Identity::named);
        let command = record.command.map(|command| command.to_string());
        Some(Self {
            kind: Kind::of(end.kind)?,
            client: log::privacy().client_address(record.client.ip().to_canonical()),
            user: short(row::user(tried.as_ref().unwrap_or(&record.identity))),
            protocol: record.protocol.map_or("", |protocol| protocol.name()),
            command: command.unwrap_or_default(),
            target: short(record.target.as_ref().map(row::target).unwrap_or_default()),
            reason: short(match &end.error {
                Some(error) => log::privacy()
                    .text(error, record.target.as_ref())
                    .into_owned(),
                None => end.kind.to_string(),
            }),
        })
    }
}

#[derive(Clone, Debug, Serialize)]
struct Entry {
    /// Greater than those of all entries before.
    number: u64,
    /// In seconds since 1970: the last time.
    at: u64,
    /// How often in a row.
    times: u64,
    #[serde(flatten)]
    event: Event,
}

/// An answer to who asks for entries.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// What to ask for next time.
    next: u64,
    entries: Vec<Entry>,
}

/// The latest entries.
#[derive(Debug, Default)]
pub(super) struct Feed(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    kept: VecDeque<Entry>,
}

impl Feed {
    /// Adds what a record tells, or counts it where the client's last entry says the same.
    pub(super) fn add(&self, record: &Record) {
        if let Some(event) = Event::of(record) {
            self.lock().add(event, unix(SystemTime::now()));
        }
    }

    /// Returns those from a number on, the latest first.
    pub(super) fn since(&self, number: u64) -> Answer {
        let entries = self.lock();
        let latest = entries.kept.iter().rev();
        let latest = latest.take_while(|entry| entry.number >= number);
        Answer {
            next: entries.next,
            entries: latest.cloned().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn add(&mut self, event: Event, at: u64) {
        let number = self.next;
        self.next += 1;
        let client = network(event.client);
        let places = self.kept.iter().enumerate();
        let of_client = places.filter(|(_, entry)| network(entry.event.client) == client);
        let of_client: Vec<_> = of_client.map(|(place, _)| place).collect();
        let mut times = 1;
        let makes_room = match &*of_client {
            [.., last]
                if self
                    .kept
                    .get(*last)
                    .is_some_and(|entry| entry.event == event) =>
            {
                Some(*last)
            }
            [first, ..] if of_client.len() >= MOST_PER_CLIENT => Some(*first),
            _ if self.kept.len() >= MOST => Some(0),
            _ => None,
        };
        if let Some(gone) = makes_room.and_then(|place| self.kept.remove(place))
            && gone.event == event
            && of_client.last().copied() == makes_room
        {
            times += gone.times;
        }
        self.kept.push_back(Entry {
            number,
            at,
            times,
            event,
        });
    }
}

fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
        text.shrink_to_fit();
    }
    text
}
