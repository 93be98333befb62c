//! What the page keeps of sessions that have ended.

use tower_socks::layer::record::{Record, Sink};

use super::{feed::Feed, sums::Sums};

/// A sink of records.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) sums: Sums,
    pub(super) feed: Feed,
}

impl Sink for Watch {
    fn hears_of_starts(&self) -> bool {
        false
    }

    fn ended(&self, record: &Record) {
        self.sums.add(record);
        self.feed.add(record);
    }
}
