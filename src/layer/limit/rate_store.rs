use std::time::Duration;

use super::Pace;
use crate::session::Share;

/// Counts the requests of each key where several proxies can share the counts: for
/// [`RequestRate::with_store`](super::RequestRate::with_store).
///
/// ```
/// use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
/// use tower_socks::{layer::limit::{Pace, RateStore}, session::Share};
///
/// /// Counts all keys together, and knows of no time.
/// #[derive(Default)]
/// struct Once(AtomicU32);
///
/// impl<K> RateStore<K> for Once {
///     fn turn(&self, _: &K, pace: Pace) -> Share<Option<Duration>> {
///         let before = self.0.fetch_add(1, Ordering::Relaxed);
///         Share::Now((before >= pace.at_once()).then_some(Duration::MAX))
///     }
/// }
///
/// let store = Once::default();
/// assert!(matches!(store.turn(&"joe", Pace::per_second(1)), Share::Now(None)));
/// assert!(matches!(store.turn(&"joe", Pace::per_second(1)), Share::Now(Some(Duration::MAX))));
/// ```
pub trait RateStore<K>: Send + Sync + 'static {
    /// Counts a request of the key at this pace; or counts nothing, and returns how long it is until the key's turn.
    ///
    /// It must not block. Where the answer comes later, the request waits for it before its dial, as long as
    /// [`RequestRate`](super::RequestRate) is told.
    fn turn(&self, key: &K, pace: Pace) -> Share<Option<Duration>>;
}
