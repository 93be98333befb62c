use std::fmt;

use super::{CalendarStore, PeriodStore, Quotas};
use crate::{
    layer::{
        key::KeyExtractor,
        meter::{ByteQuota, MakeMeter, quota::QuotaMeter},
    },
    proto::ReplyCode,
    session::{Admission, Amount, Fullness, Request},
};

/// Bounds the bytes of each key in days and months of the calendar, both directions together: a [`MakeMeter`].
///
/// It refuses and ends tunnels as a [`ByteQuota`] does. The [`Quotas`] of a key are what `A` says of its latest request, and
/// its open tunnels have them at once; a request without any is not counted. Clones share the counts.
///
/// ```
/// use tower_socks::{
///     Identity, Request,
///     layer::{
///         key::{self, UserOrClient},
///         meter::{Admission, CalendarQuota, CalendarStore, MakeMeter, Periods, Quotas},
///     },
///     session::Amounts,
/// };
/// # use tower_socks::{io::{Direction, Meter}, proto::{Address, Command}};
///
/// // Months begin on the 15th; the file is kept between restarts.
/// # let folder = std::env::temp_dir().join(format!("quotas-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("quotas");
/// let store = CalendarStore::<UserOrClient>::new(Quotas::new(), Periods::new().day_of_month(15));
/// let store = store.open(&path)?;
/// let quota = CalendarQuota::new(
///     store.clone(),
///     |request: &Request| Amounts::of(&request.identity).map(Quotas::from),
///     key::user_or_client,
/// );
///
/// # let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
/// request.identity = Identity::named("joe");
/// let amounts = Amounts::new().bytes_per_month(100);
/// request.identity.extensions_mut().insert(amounts);
/// let Admission::Permit(Some(mut meter)) = quota.meter(&request) else { unreachable!() };
/// meter.moved(Direction::Up, 100);
/// drop(meter);
/// let Admission::Refused(refusal) = quota.meter(&request) else { unreachable!() };
/// assert_eq!(refusal.to_string(), "\"joe\" has used its quota up");
///
/// // In a task: store.keep_saved(Duration::from_secs(10)).await; and at the end:
/// store.save()?;
/// assert!(std::fs::read_to_string(&path)?.contains("100 100 user:joe\n"));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct CalendarQuota<F: KeyExtractor, A = Quotas, S = CalendarStore<<F as KeyExtractor>::Key>> {
    quota: ByteQuota<F, S>,
    quotas: A,
}

impl<F: KeyExtractor, A: Amount<Quotas>, S: PeriodStore<F::Key>> CalendarQuota<F, A, S> {
    /// Counts in this store: a [`CalendarStore`], or one that several proxies share. `quotas` says what the key of a request may use: [`Quotas`] for all, or a closure.
    pub fn new(store: S, quotas: A, key: F) -> Self {
        Self {
            quota: ByteQuota::with_store(store, key),
            quotas,
        }
    }

    /// Refuses with another code than 02.
    #[must_use]
    pub fn reply_code(mut self, code: ReplyCode) -> Self {
        self.quota = self.quota.reply_code(code);
        self
    }

    /// Returns the store that it counts in.
    pub fn store(&self) -> &S {
        self.quota.store()
    }
}

impl<F: KeyExtractor, A: Amount<Quotas>> CalendarQuota<F, A> {
    /// Returns the `most` keys that have used the largest share of a quota: see [`CalendarStore::fullest`].
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<F::Key>> {
        self.store().fullest(most)
    }
}

impl<F: KeyExtractor, A: Amount<Quotas>, S: PeriodStore<F::Key>> MakeMeter
    for CalendarQuota<F, A, S>
{
    type Meter = QuotaMeter<F::Key, S>;

    fn meter(&self, request: &Request) -> Admission<Option<Self::Meter>> {
        let Some(quotas) = self.quotas.amount(request) else {
            return Admission::Permit(None);
        };
        let Some(key) = self.quota.key(request) else {
            return Admission::Permit(None);
        };
        self.store().allow(&key, quotas);
        self.quota.meter_of(key)
    }
}

impl<F: KeyExtractor, A: Clone, S> Clone for CalendarQuota<F, A, S> {
    fn clone(&self) -> Self {
        Self {
            quota: self.quota.clone(),
            quotas: self.quotas.clone(),
        }
    }
}

impl<F: KeyExtractor, A, S: fmt::Debug> fmt::Debug for CalendarQuota<F, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarQuota")
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}
