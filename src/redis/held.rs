//! What a node holds of a key, and how it is put into commands that are right in any order.
//!
//! Commands change a count in Redis: one more, or so many less. Such changes can be executed in any order. What cannot
//! be told, since an answer was lost or nobody waited for it, begins a new epoch: its commands all say what was open
//! when it began and what was asked for by then, and the first of them that is executed sets the count to that; those of earlier epochs do nothing from then on.

/// What this node holds of a key.
pub(super) struct Held {
    pub(super) open: u32,
    /// Commands about it without an answer so far.
    asking: u32,
    /// Places that these ask for.
    wanted: u32,
    /// What is to be added to the count in Redis.
    change: i64,
    epoch: u64,
    /// What was open when the epoch began, and what was asked for: Redis may have given it by then.
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
    pub(super) places: u32,
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
            wanted: 0,
            change: 0,
            epoch,
            base: 0,
            is_set: false,
            untold: false,
            listed: false,
            known: None,
        }
    }

    /// Prepares a command about it, which asks for so many places.
    pub(super) fn send(&mut self, places: u32) -> Sent {
        self.asking += 1;
        self.wanted += places;
        self.untold = false;
        Sent {
            places,
            epoch: self.epoch,
            base: self.base,
            change: std::mem::take(&mut self.change),
        }
    }

    /// Takes an answer, and returns whether a place was taken; `None`, if the command was not executed. `next` is the
    /// epoch that begins where the count is not what it was.
    pub(super) fn answered(&mut self, sent: Sent, answer: Answer, next: u64) -> Option<bool> {
        let (taken, mine, others, was_set) = answer;
        self.received(sent);
        let taken = (taken >= 0).then_some(taken > 0);
        let got = u32::from(taken.unwrap_or_default());
        if taken.is_some() {
            self.known = Some((u32::try_from(mine).unwrap_or(0), others));
        }
        self.open += got;
        if sent.epoch != self.epoch {
            // The base of this epoch has what it asked for.
            self.change += i64::from(got) - i64::from(sent.places);
        } else if was_set > 0 {
            // One command of an epoch sets the count, whichever answer is the first to be seen. After a second one Redis has
            // forgotten what was counted in this epoch.
            match self.is_set {
                true => self.begin(next),
                false => self.is_set = true,
            }
        }
        taken
    }

    /// Takes that there is no answer.
    pub(super) fn unanswered(&mut self, sent: Sent, next: u64) {
        self.received(sent);
        self.begin(next);
    }

    const fn received(&mut self, sent: Sent) {
        self.asking = self.asking.saturating_sub(1);
        self.wanted = self.wanted.saturating_sub(sent.places);
    }

    /// Begins an epoch.
    fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.base = self.open + self.wanted;
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

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn answers_that_are_seen_in_another_order_than_commands_were_executed_begin_no_epoch() {
        let mut held = Held::new(0);
        let first = held.send(1);
        let second = held.send(1);
        assert_eq!(held.answered(second, (1, 2, 0, 0), 1), Some(true));
        assert_eq!(held.answered(first, (1, 1, 0, 1), 2), Some(true));
        let next = held.send(1);
        assert_eq!((next.epoch, next.base, next.change), (0, 0, 0));
    }

    #[test]
    fn what_is_set_twice_was_forgotten_and_begins_an_epoch_with_what_is_open() {
        let mut held = Held::new(0);
        let first = held.send(1);
        assert_eq!(held.answered(first, (1, 1, 0, 1), 1), Some(true));
        let second = held.send(1);
        assert_eq!(held.answered(second, (1, 1, 0, 1), 7), Some(true));
        let next = held.send(0);
        assert_eq!((next.epoch, next.base, next.change), (7, 2, 0));
    }

    #[test]
    fn an_epoch_counts_places_that_are_asked_for_until_it_is_known_that_they_were_not_given() {
        let mut held = Held::new(0);
        let lost = held.send(1);
        let given = held.send(1);
        let refused = held.send(1);
        let late = held.send(1);
        held.unanswered(lost, 1);
        let told = held.send(0);
        assert_eq!((told.epoch, told.base, told.change), (1, 3, 0));
        assert_eq!(held.answered(given, (1, 2, 0, 0), 2), Some(true));
        assert_eq!(held.send(0).change, 0);
        assert_eq!(held.answered(refused, (0, 2, 0, 0), 3), Some(false));
        assert_eq!(held.send(0).change, -1);
        assert_eq!(held.answered(late, (-1, 3, 0, 0), 4), None);
        assert_eq!(held.send(0).change, -1);
    }
}
