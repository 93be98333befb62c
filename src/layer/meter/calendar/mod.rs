//! Quotas of days and months of the calendar, in memory and in a file.

mod counts;
mod file;
mod key;
mod meter;
mod period;
mod period_store;
mod place;
mod quotas;
mod saving;
mod store;

#[cfg(feature = "redis")]
pub(crate) use self::period::Today;
pub use self::{
    key::QuotaKey,
    meter::CalendarQuota,
    period::{Periods, UnknownZone},
    period_store::PeriodStore,
    quotas::Quotas,
    store::CalendarStore,
};
