use crate::session::{Amount, Amounts, Request};

/// Bytes a second in each direction, and how many may move at once: the amount of a [`Bandwidth`](super::Bandwidth).
///
/// What is `None` has no limit, and neither has `u64::MAX`. 0 is taken for 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rates {
    /// From clients to targets, in bytes a second.
    pub up: Option<u64>,
    /// From targets to clients, in bytes a second.
    pub down: Option<u64>,
    /// Bytes that may move up at once, after a pause; without it those of a tenth of a second.
    pub up_burst: Option<u64>,
    /// The same down.
    pub down_burst: Option<u64>,
}

impl Rates {
    /// Creates rates without a limit.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            up: None,
            down: None,
            up_burst: None,
            down_burst: None,
        }
    }

    /// Bounds bytes from clients to targets.
    #[must_use]
    pub const fn up(mut self, bytes_per_second: u64) -> Self {
        self.up = Some(bytes_per_second);
        self
    }

    /// Bounds bytes from targets to clients.
    #[must_use]
    pub const fn down(mut self, bytes_per_second: u64) -> Self {
        self.down = Some(bytes_per_second);
        self
    }

    /// Sets how many bytes may move at once in each direction, after a pause.
    #[must_use]
    pub const fn burst(mut self, up: u64, down: u64) -> Self {
        self.up_burst = Some(up);
        self.down_burst = Some(down);
        self
    }

    /// Whether nothing is bounded.
    pub(super) const fn are_open(&self) -> bool {
        self.up.is_none() && self.down.is_none()
    }
}

impl From<&Amounts> for Rates {
    fn from(amounts: &Amounts) -> Self {
        Self {
            up: amounts.upload,
            down: amounts.download,
            up_burst: amounts.upload_burst,
            down_burst: amounts.download_burst,
        }
    }
}

impl Amount<Self> for Rates {
    fn amount(&self, _: &Request) -> Option<Self> {
        Some(*self)
    }
}
