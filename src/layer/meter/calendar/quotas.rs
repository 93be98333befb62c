use crate::{
    admission::Fullest,
    session::{Amount, Amounts, Request},
};

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

    /// Adds a key that has used so much of a day and of its month: by the quota that is fuller, if there is one.
    pub(crate) fn look<K: Clone>(
        self,
        key: &K,
        (day, month): (u64, u64),
        fullest: &mut Fullest<K>,
    ) {
        let mut one = Fullest::new(1);
        for (used, most) in [(day, self.day), (month, self.month)] {
            if let Some(most) = most.filter(|most| *most < u64::MAX) {
                one.see(&(), used, most);
            }
        }
        for it in one.into_vec() {
            fullest.see(key, it.used, it.most);
        }
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
