//! What a node holds of a key, and how it is put into commands.

/// What this node holds of a key.
#[derive(Default)]
pub(super) struct Held {
    pub(super) open: u32,
    /// Commands about it without an answer so far.
    pub(super) asking: u32,
    /// Tunnels that have ended since the last of these.
    pub(super) ended: u32,
    /// What is written down may not be what there is.
    pub(super) unsure: bool,
    /// What it had and what all others had, when they were last counted.
    pub(super) known: Option<(u32, u32)>,
}

/// What is sent about a key: what the node holds, if that is known there; and what it has given up.
pub(super) struct Sent {
    pub(super) held: i64,
    pub(super) ended: u32,
}

impl Held {
    /// Prepares a command about it.
    pub(super) fn send(&mut self) -> Sent {
        // Commands are executed in the order in which they are sent. Where all have been answered the whole is said, which
        // puts right what was lost.
        let held = match self.asking {
            0 => i64::from(self.open),
            _ => -1,
        };
        self.unsure &= self.asking > 0;
        self.asking += 1;
        Sent {
            held,
            ended: std::mem::take(&mut self.ended),
        }
    }

    pub(super) const fn is_forgotten(&self) -> bool {
        self.open == 0 && self.asking == 0 && self.ended == 0 && !self.unsure
    }

    /// Takes an answer.
    pub(super) fn answered(&mut self, mine: u32, others: u32) {
        self.asking = self.asking.saturating_sub(1);
        self.known = Some((mine, others));
    }

    /// Takes that there is no answer.
    pub(super) fn unanswered(&mut self) {
        self.asking = self.asking.saturating_sub(1);
        self.unsure = true;
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
