use super::{CalendarStore, Quotas};
use crate::layer::meter::QuotaStore;

/// Keeps the counts of a [`CalendarQuota`](super::CalendarQuota): a [`QuotaStore`] that counts days and months, in which a key
/// can have quotas of its own. [`CalendarStore`], or one that several proxies share.
pub trait PeriodStore<K>: QuotaStore<K> {
    /// Sets the quotas of one key, until they are set anew; open tunnels have them at once. It must not block.
    fn allow(&self, key: &K, quotas: Quotas);
}

impl<K> PeriodStore<K> for CalendarStore<K>
where
    K: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
{
    fn allow(&self, key: &K, quotas: Quotas) {
        Self::allow(self, key, quotas);
    }
}
