use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::down::State;

/// Whether an alternative is up or down, and how much goes by it: what clones share.
///
/// An upstream that executes CONNECT, BIND and UDP ASSOCIATE by services of three types has one standing: each
/// [`Failover`](super::Failover) and each balancer that is given a clone of it learns from the outcomes of all, and from
/// [probes](super::Probes). It may also outlive them all, so that a new stack knows what the old one has learnt.
///
/// ```
/// use tower_socks::{
///     Request, connector::{failover::{Failover, Standing}, upstream::Socks5Upstream},
/// };
///
/// let (paris, berlin) = (Standing::new("paris"), Standing::new("berlin"));
/// let failover = Failover::new([
///     (paris.clone(), Socks5Upstream::new("192.0.2.1:1080")),
///     (berlin, Socks5Upstream::new("192.0.2.2:1080")),
/// ]);
/// assert!(paris.is_up() && paris.outage().is_none());
/// assert_eq!(failover.names(), ["paris", "berlin"]);
/// ```
#[derive(Clone)]
pub struct Standing(pub(super) Arc<State>);

impl Standing {
    /// Creates that of an alternative, which is up, under its name in the log.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(Arc::new(State::new(name.into())))
    }

    /// Returns the name that it has in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Returns whether it may be tried now: no probe has found it down, and the time for which a failure of a request
    /// takes it down has passed.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.is_up()
    }

    /// Returns whether [probes](super::Probes) have found it down, and not up since.
    #[must_use]
    pub fn is_found_down(&self) -> bool {
        self.0.is_found_down()
    }

    /// Returns for how long it has worked for nobody, and the error with which that began, of 256 octets at most; `None`
    /// where it works as far as is known.
    #[must_use]
    pub fn outage(&self) -> Option<(Duration, String)> {
        self.0.outage()
    }

    /// Returns how many requests and tunnels go by it at the moment, as far as balancers have sent them there.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.count().load(Ordering::Relaxed)
    }

    fn count(&self) -> &AtomicUsize {
        self.0.in_use()
    }
}

impl From<&str> for Standing {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Standing {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<Box<str>> for Standing {
    fn from(name: Box<str>) -> Self {
        Self::new(name)
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing")
            .field("name", &self.name())
            .field("is_up", &self.is_up())
            .finish_non_exhaustive()
    }
}

/// Counts what goes by an alternative, for as long as it lives.
#[derive(Debug)]
pub(in crate::connector) struct InUse(Standing);

impl InUse {
    pub(in crate::connector) fn new(standing: &Standing) -> Self {
        standing.count().fetch_add(1, Ordering::Relaxed);
        Self(standing.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.count().fetch_sub(1, Ordering::Relaxed);
    }
}
