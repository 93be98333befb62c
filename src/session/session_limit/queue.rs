//! Connections that wait for a place.

use std::{
    future::Future,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::{SessionPlace, place::Shares, places::Places};
use crate::admission::Count;

/// A connection that waits for a place. Dropping it gives up its turn.
pub(crate) struct Queueing {
    queued: Queued,
    shares: Shares,
    client: Option<Count<IpAddr>>,
}

impl Queueing {
    /// Joins the queue, if fewer than `most` wait.
    pub(super) fn join(
        places: &Arc<Places>,
        most: usize,
        shares: Shares,
        client: Option<Count<IpAddr>>,
    ) -> Option<Self> {
        let queued = Queued::enter(places, most)?;
        Some(Self {
            queued,
            shares,
            client,
        })
    }

    /// Waits for a place, first come, first served; `None` when the time is over.
    pub(crate) fn place(
        self,
        limit: Duration,
    ) -> impl Future<Output = Option<SessionPlace>> + Send {
        let Self {
            queued,
            shares,
            client,
        } = self;
        async move {
            let places = Arc::clone(&queued.0);
            // Nobody closes the semaphore.
            let permit = timeout(limit, places.free.acquire()).await.ok()?.ok()?;
            permit.forget();
            Some(SessionPlace::new(&places, shares, client))
        }
    }
}

/// Counts as waiting until it is dropped.
struct Queued(Arc<Places>);

impl Queued {
    fn enter(places: &Arc<Places>, most: usize) -> Option<Self> {
        let entered =
            places
                .waiting
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                    (waiting < most).then_some(waiting + 1)
                });
        entered.is_ok().then(|| {
            count_waiting(1.0);
            Self(Arc::clone(places))
        })
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        count_waiting(-1.0);
    }
}

/// The name of the gauge of connections that wait.
#[cfg(feature = "metrics")]
pub(crate) const WAITING: &str = "socks_sessions_waiting";

#[cfg(feature = "metrics")]
fn count_waiting(more: f64) {
    metrics::gauge!(WAITING).increment(more);
}

#[cfg(not(feature = "metrics"))]
fn count_waiting(_: f64) {}
