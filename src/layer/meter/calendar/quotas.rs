use crate::session::{Amount, Amounts, Request};

/// Bytes a day and a month, in both directions together: the amount of a [`CalendarQuota`](super::CalendarQuota).
///
/// What is `None` has no limit, and neither has `u64::MAX`. Bytes are counted all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quotas {
    /// Bytes a day.
    pub day: Option<u64>,
    /// Bytes a month.
    pub month: Option<u64>,
}

impl Quotas {
    /// Creates quotas without a limit.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            day: None,
            month: None,
        }
    }

    /// Bounds the bytes of a day.
    #[must_use]
    pub const fn day(mut self, bytes: u64) -> Self {
        self.day = Some(bytes);
        self
    }

    /// Bounds the bytes of a month.
    #[must_use]
    pub const fn month(mut self, bytes: u64) -> Self {
        self.month = Some(bytes);
        self
    }
}

impl From<&Amounts> for Quotas {
    fn from(amounts: &Amounts) -> Self {
        Self {
            day: amounts.bytes_per_day,
            month: amounts.bytes_per_month,
        }
    }
}

impl Amount<Self> for Quotas {
    fn amount(&self, _: &Request) -> Option<Self> {
        Some(*self)
    }
}
