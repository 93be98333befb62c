//! Quotas of days and months of the calendar, in memory and in a file.

mod counts;
mod file;
mod key;
mod meter;
mod period;
mod quotas;
mod saving;
mod store;

pub use self::{
    key::QuotaKey,
    meter::CalendarQuota,
    period::{Periods, UnknownZone},
    quotas::Quotas,
    store::CalendarStore,
};
