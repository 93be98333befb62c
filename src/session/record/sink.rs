use std::{sync::Arc, time::Duration};

use super::Record;
use crate::session::Identity;

/// Takes the records of sessions: an access log, accounting, a feed of refusals.
///
/// The methods are called by the task that serves the session, or is dropping it, so they have to be quick and must
/// not block: what a file or a server takes goes into a queue with a bound. Each is called at most once at a time
/// for one session: `started`, any number of `interim`, `ended`. A session that was refused has no `started`.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tower_socks::layer::record::{Record, Sink};
///
/// /// Counts what was refused.
/// #[derive(Default)]
/// struct Refused(AtomicU64);
///
/// impl Sink for Refused {
///     fn ended(&self, record: &Record) {
///         if record.end.as_ref().is_some_and(|end| end.rule.is_some()) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Sink: Send + Sync + 'static {
    /// A request is executed: its tunnel is open, and the client is about to be told.
    fn started(&self, record: &Record) {
        let _ = record;
    }

    /// Returns whether [`started`](Self::started) is to be called: by default it is. Where no sink hears of it, nothing is
    /// put together for it.
    fn hears_of_starts(&self) -> bool {
        true
    }

    /// A tunnel has been open for another [`interval`](Self::interval).
    fn interim(&self, record: &Record) {
        let _ = record;
    }

    /// A session has ended, or one of its requests, or an attempt to log in: [`Record::end`] says how.
    fn ended(&self, record: &Record);

    /// Returns how often [`interim`](Self::interim) is to be called for a tunnel; `None`, the default, for never. It is
    /// asked each time, so it may change; of tunnels that open while it is `None` nothing is told later.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Returns the same for the tunnels of one user: [`interval`](Self::interval) by default. It is this one that is asked.
    fn interval_of(&self, identity: &Identity) -> Option<Duration> {
        let _ = identity;
        self.interval()
    }
}

impl<S: Sink + ?Sized> Sink for Arc<S> {
    fn started(&self, record: &Record) {
        (**self).started(record);
    }

    fn hears_of_starts(&self) -> bool {
        (**self).hears_of_starts()
    }

    fn interim(&self, record: &Record) {
        (**self).interim(record);
    }

    fn ended(&self, record: &Record) {
        (**self).ended(record);
    }

    fn interval(&self) -> Option<Duration> {
        (**self).interval()
    }

    fn interval_of(&self, identity: &Identity) -> Option<Duration> {
        (**self).interval_of(identity)
    }
}
