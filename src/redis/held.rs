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
    /// What all others had when they were last counted.
    pub(super) others: Option<u32>,
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

    /// How many this node may have of a key while Redis is away.
    pub(super) fn local(&self, most: usize, nodes: u32) -> usize {
        match self.others {
            Some(others) => most.saturating_sub(others as usize),
            None => most.min((most / nodes as usize).max(1)),
        }
    }
}
