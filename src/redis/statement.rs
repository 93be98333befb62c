//! What a node says about the quota of a key, and what Redis says of it.

use ::redis::Pipeline;

use super::{
    scripts,
    shared::{Shared, millis},
};
use crate::layer::meter::{Quotas, Today};

/// A first lease, in bytes. It is little, since a node that uses none of it keeps it from others.
pub(super) const SMALLEST: u64 = 16 * 1024;

/// Bytes of a day and of its month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) day: u64,
    pub(super) month: u64,
}

impl Used {
    /// Leaves what is of the same day and of the same month.
    pub(super) fn of(self, from: Today, today: Today) -> Self {
        Self {
            day: self.day * u64::from(from.day == today.day),
            month: self.month * u64::from(from.month == today.month),
        }
    }
}

/// What all others had when Redis has last answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    pub(super) used: Used,
    pub(super) held: u64,
}

/// What is sent about a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) writer: u64,
    pub(super) sequence: u64,
    pub(super) today: Today,
    pub(super) used: Used,
    pub(super) held: u64,
    pub(super) more: u64,
}

/// What Redis says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) leased: u64,
    pub(super) others: Others,
    /// How many there are, with this one.
    pub(super) nodes: u32,
}

const fn limit(most: Option<u64>) -> Option<u64> {
    match most {
        None | Some(u64::MAX) => None,
        limit => limit,
    }
}

/// Whether nothing bounds them.
pub(super) fn is_open(quotas: Quotas) -> bool {
    limit(quotas.day).is_none() && limit(quotas.month).is_none()
}

impl Others {
    /// Returns what they leave to a node that has used so much and holds nothing; `None` if nothing bounds it.
    pub(super) fn leave(self, mine: Used, quotas: Quotas) -> Option<u64> {
        let of = |most, mine: u64, others: u64| {
            let used = mine.saturating_add(others).saturating_add(self.held);
            Some(limit(most)?.saturating_sub(used))
        };
        let (day, month) = (
            of(quotas.day, mine.day, self.used.day),
            of(quotas.month, mine.month, self.used.month),
        );
        [day, month].into_iter().flatten().min()
    }
}

impl Sent {
    /// Adds the command that says it.
    pub(super) fn add(
        &self,
        commands: &mut Pipeline,
        shared: &Shared,
        place: &str,
        quotas: Quotas,
    ) {
        let most = |most: Option<u64>| most.map_or(-1, |it| i64::try_from(it).unwrap_or(-1));
        let lease = millis(shared.lease());
        let today = self.today;
        scripts::execute(commands, &scripts::QUOTA, place)
            .arg(format!("{}-{}", shared.node(), self.writer))
            .arg(self.sequence)
            .arg(&[today.from, today.until])
            .arg(&[today.day, today.month])
            .arg(&[self.used.day, self.used.month, self.held, lease])
            .arg(&[self.more, SMALLEST])
            .arg(&[most(quotas.day), most(quotas.month)]);
    }
}
