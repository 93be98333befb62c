//! What a node holds of a key, and how it is put into commands that are right in any order.
//!
//! Commands change a count in Redis: one more, or so many less. Such changes can be executed in any order. What cannot
//! be told, since an answer was lost or nobody waited for it, begins a new epoch: its commands all say what was open
//! when it began, and the first of them that is executed sets the count to that; those of earlier epochs do nothing from then on.

/// What this node holds of a key.
pub(super) struct Held {
    pub(super) open: u32,
    /// Commands about it without an answer so far.
    asking: u32,
    /// What is to be added to the count in Redis.
    change: i64,
    epoch: u64,
    /// What was open when the epoch began.
    base: u32,
    /// Redis has set the count to that.
    is_set: bool,
    /// Redis is to be told of the epoch.
    untold: bool,
    /// It is in the list of what is to be written down.
    pub(super) listed: bool,
    /// What it had and what all others had, when they were last counted.
    known: Option<(u32, u32)>,
}

/// What is sent about a key.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) epoch: u64,
    pub(super) base: u32,
    pub(super) change: i64,
}

/// What Redis has answered: whether a place was taken, -1 if the command is of an earlier epoch; what the node has; what all
/// others have; and whether the count was set to the base.
pub(super) type Answer = (i8, i64, u32, u8);

impl Held {
    pub(super) const fn new(epoch: u64) -> Self {
        Self {
            open: 0,
            asking: 0,
            change: 0,
            epoch,
            base: 0,
            is_set: false,
            untold: false,
            listed: false,
            known: None,
        }
    }

    /// Prepares a command about it.
    pub(super) fn send(&mut self) -> Sent {
        self.asking += 1;
        self.untold = false;
        Sent {
            epoch: self.epoch,
            base: self.base,
            change: std::mem::take(&mut self.change),
        }
    }

    /// Takes an answer, and returns whether a place was taken; `None`, if the command was not executed. `next` is the
    /// epoch that begins where the count is not what it was.
    pub(super) fn answered(&mut self, sent: Sent, answer: Answer, next: u64) -> Option<bool> {
        let (taken, mine, others, was_set) = answer;
        self.asking = self.asking.saturating_sub(1);
        if taken < 0 {
            return None;
        }
        self.known = Some((u32::try_from(mine).unwrap_or(0), others));
        let taken = taken > 0;
        self.open += u32::from(taken);
        if sent.epoch != self.epoch {
            // The base of this epoch does not know of it.
            self.change += i64::from(taken);
        } else if was_set > 0 && self.is_set {
            // Redis has forgotten what was counted in this epoch.
            self.begin(next);
        } else {
            self.is_set = true;
        }
        Some(taken)
    }

    /// Takes that there is no answer.
    pub(super) fn unanswered(&mut self, next: u64) {
        self.asking = self.asking.saturating_sub(1);
        self.begin(next);
    }

    /// Begins an epoch.
    fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.base = self.open;
        self.change = 0;
        self.is_set = false;
        self.untold = true;
    }

    /// Gives everything up.
    pub(super) fn leave(&mut self, next: u64) {
        self.open = 0;
        self.begin(next);
    }

    /// Opens one without asking.
    pub(super) const fn open(&mut self) {
        self.open += 1;
        self.change += 1;
    }

    pub(super) const fn end(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.change -= 1;
    }

    /// Whether Redis is to be told of something.
    pub(super) const fn is_news(&self) -> bool {
        self.untold || self.change != 0
    }

    pub(super) const fn is_forgotten(&self) -> bool {
        self.open == 0 && self.asking == 0 && !self.listed && !self.is_news()
    }

    /// How many this node may have of a key while Redis is away: what it had, and its part of what was left.
    pub(super) fn local(&self, most: usize, nodes: u32) -> usize {
        let (mine, others) = self.known.unwrap_or_default();
        let left = most
            .saturating_sub(others as usize)
            .saturating_sub(mine as usize);
        mine as usize + left.div_ceil(nodes.max(1) as usize)
    }
}
