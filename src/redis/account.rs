//! What a node knows of a key and its quotas: what was used here, what is leased, and what others had.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::{
    statement::{Answer, Others, SMALLEST, Sent, Used, is_open},
    vain::Vain,
};
use crate::layer::meter::{Quotas, Today};

/// A lease once much moves.
const LARGEST: u64 = 64 * 1024 * 1024;

/// After so long without a use, what is leased is given up: others may have nothing left.
const RESTS: Duration = Duration::from_millis(500);

/// For how long nothing is asked about a key once an answer has not come.
const AWAY: Duration = Duration::from_millis(500);

/// A writer that was silent for an hour is added up with others, by Redis's clock. Long before that a node becomes another one.
const SILENT: Duration = Duration::from_secs(30 * 60);

/// A key at this node.
pub(super) struct Account {
    /// The name under which it is written down, and how often it was.
    writer: u64,
    sequence: u64,
    today: Today,
    used: Used,
    /// Bytes that are leased and that no tunnel has taken.
    ahead: u64,
    /// What the latest lease was, and when.
    lease: u64,
    leased_at: Instant,
    /// The size of the next one.
    next: u64,
    others: Option<Others>,
    /// If it has other quotas than all.
    pub(super) own: Option<Quotas>,
    /// A command about it is not answered yet.
    asking: bool,
    /// Something is not written down.
    changed: bool,
    /// What is written down may be anything.
    unsure: bool,
    /// Bytes were taken since it was last written down in turn.
    touched: bool,
    written: Used,
    written_at: Instant,
    pub(super) vain: Vain,
    /// When something was last taken of the lease.
    taken_at: Instant,
    away_until: Option<Instant>,
    /// What is left of this node's part, while Redis is away.
    part: Option<u64>,
    pub(super) answered: Arc<Notify>,
}

impl Account {
    pub(super) fn new(writer: u64, today: Today) -> Self {
        let now = Instant::now();
        Self {
            writer,
            sequence: 0,
            today,
            used: Used::default(),
            ahead: 0,
            lease: 0,
            leased_at: now,
            next: SMALLEST,
            others: None,
            own: None,
            asking: false,
            changed: false,
            unsure: false,
            touched: false,
            written: Used::default(),
            written_at: now,
            vain: Vain::default(),
            taken_at: now,
            away_until: None,
            part: None,
            answered: Arc::default(),
        }
    }

    /// Begins the counts of a day or a month anew that is another one than before.
    pub(super) fn begin(&mut self, today: Today) {
        if self.today == today {
            return;
        }
        let before = std::mem::replace(&mut self.today, today);
        self.used = self.used.of(before, today);
        self.written = self.written.of(before, today);
        if let Some(others) = &mut self.others {
            others.used = others.used.of(before, today);
        }
        (self.vain, self.part) = (Vain::default(), None);
    }

    /// Sets quotas of its own.
    pub(super) fn allow(&mut self, quotas: Option<Quotas>) {
        if self.own != quotas {
            self.own = quotas;
            (self.vain, self.part) = (Vain::default(), None);
        }
    }

    /// Takes bytes of what is leased; `None`, if Redis has to be asked.
    pub(super) fn take(&mut self, bytes: u64, quotas: Quotas) -> Option<u64> {
        if is_open(quotas) {
            self.count(bytes);
            return Some(bytes);
        }
        if self.ahead > 0 {
            let taken = bytes.min(self.ahead);
            self.ahead -= taken;
            self.taken_at = Instant::now();
            self.count(taken);
            return Some(taken);
        }
        self.vain.is_empty().then_some(0)
    }

    /// Takes bytes of this node's part, or any number.
    pub(super) fn take_part(&mut self, bytes: u64, quotas: Quotas, nodes: u32) -> u64 {
        let left = self.others.unwrap_or_default().leave(self.used, quotas);
        let nodes = u64::from(nodes.max(1));
        let part = self.part.get_or_insert(left.unwrap_or(u64::MAX) / nodes);
        let taken = bytes.min(*part);
        *part -= taken;
        self.count(taken);
        taken
    }

    /// Counts bytes that are used.
    pub(super) fn count(&mut self, bytes: u64) {
        self.used.day = self.used.day.saturating_add(bytes);
        self.used.month = self.used.month.saturating_add(bytes);
        self.changed |= bytes > 0;
        self.touched = true;
    }

    /// Counts bytes that have moved already.
    pub(super) fn charge(&mut self, bytes: u64) {
        self.ahead = self.ahead.saturating_sub(bytes);
        self.count(bytes);
    }

    /// Gives back bytes that were not used: of a day that is over nothing is given back to the next one.
    pub(super) fn give_back(&mut self, bytes: u64, quotas: Quotas) {
        self.used.day = self.used.day.saturating_sub(bytes);
        self.used.month = self.used.month.saturating_sub(bytes);
        self.changed = true;
        if is_open(quotas) {
            return;
        }
        match &mut self.part {
            Some(part) => *part = part.saturating_add(bytes),
            None => self.ahead = self.ahead.saturating_add(bytes),
        }
    }

    /// Whether it holds more than a little that nobody takes.
    fn rests(&self) -> bool {
        self.ahead > SMALLEST && self.taken_at.elapsed() > RESTS
    }

    /// Whether an answer has not come just now.
    pub(super) fn is_away(&self) -> bool {
        self.away_until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) const fn is_asking(&self) -> bool {
        self.asking
    }

    /// Whether half of its lease is used, and nobody asks for the next.
    pub(super) fn is_low(&self) -> bool {
        let is_vain = self.vain.is_empty() || self.vain.waits_until().is_some();
        !self.asking && self.ahead <= self.lease / 2 && !is_vain && !self.is_away()
    }

    /// Whether it is not written down, or has to be in turn.
    pub(super) fn is_due(&self, all: bool, lost: bool) -> bool {
        let is_used = self.used.month > 0 || self.used.day > 0;
        let in_turn = all && (self.changed || self.ahead > 0);
        !self.asking && (self.unsure || in_turn || lost && is_used || self.rests())
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) const fn is_idle(&self) -> bool {
        !self.is_unwritten() && self.ahead == 0 && !self.touched
    }

    /// Whether Redis does not know what was used, or may not.
    pub(super) const fn is_unwritten(&self) -> bool {
        self.asking || self.changed || self.unsure
    }

    /// What this node and others had used when they were last heard of.
    pub(super) fn used(&self) -> Used {
        let others = self.others.unwrap_or_default().used;
        Used {
            day: self.used.day.saturating_add(others.day),
            month: self.used.month.saturating_add(others.month),
        }
    }

    /// Prepares a command that asks for a lease.
    pub(super) fn ask(&mut self, bytes: u64, writer: impl FnOnce() -> u64) -> Sent {
        let time = self.leased_at.elapsed();
        if self.lease >= self.next && time < Duration::from_millis(125) {
            self.next = (self.next * 4).min(LARGEST);
        } else if time > Duration::from_secs(2) {
            self.next = (self.next / 4).max(SMALLEST);
        }
        let more = self.next.max(bytes);
        self.send(more, writer)
    }

    /// Prepares a command that renews it, and gives up what nobody takes.
    pub(super) fn renew(&mut self, in_turn: bool, writer: impl FnOnce() -> u64) -> Sent {
        if in_turn && !std::mem::take(&mut self.touched) || self.rests() {
            self.ahead = 0;
        }
        self.send(0, writer)
    }

    /// Gives up all that is leased.
    pub(super) fn give_up(&mut self) {
        (self.ahead, self.unsure) = (0, true);
    }

    fn send(&mut self, more: u64, writer: impl FnOnce() -> u64) -> Sent {
        if self.written_at.elapsed() > SILENT {
            // What it has written is added up already, or is soon.
            self.writer = writer();
            self.written_at = Instant::now();
            let written = std::mem::take(&mut self.written);
            self.used.day = self.used.day.saturating_sub(written.day);
            self.used.month = self.used.month.saturating_sub(written.month);
        }
        self.asking = true;
        self.changed = false;
        self.sequence += 1;
        Sent {
            writer: self.writer,
            sequence: self.sequence,
            today: self.today,
            used: self.used,
            held: self.ahead,
            more,
        }
    }

    /// Notes an answer.
    pub(super) fn answer(&mut self, sent: &Sent, answer: &Answer) {
        self.asking = false;
        self.unsure = false;
        (self.away_until, self.part) = (None, None);
        self.written = sent.used.of(sent.today, self.today);
        self.written_at = Instant::now();
        self.others = Some(Others {
            used: answer.others.used.of(sent.today, self.today),
            held: answer.others.held,
        });
        if sent.more > 0 {
            self.ahead = self.ahead.saturating_add(answer.leased);
            (self.lease, self.leased_at) = (self.ahead, Instant::now());
            self.vain
                .answered(answer.leased, answer.others.held, answer.nodes);
        }
        self.answered.notify_waiters();
    }

    /// Notes that it is another day for Redis, which has changed nothing.
    pub(super) fn ask_again(&mut self) {
        self.asking = false;
        self.changed = true;
        self.answered.notify_waiters();
    }

    /// Notes that no answer came.
    pub(super) fn fail(&mut self) {
        (self.asking, self.unsure, self.next) = (false, true, SMALLEST);
        self.away_until = Some(Instant::now() + AWAY);
        self.answered.notify_waiters();
    }
}
