//! Connections that wait for a place.

use std::{
    future::Future,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::{SessionPlace, shared::Shared};
use crate::admission::Count;

/// A connection that waits for a place. Dropping it gives up its turn.
pub(crate) struct Queueing {
    queued: Queued,
    client: Option<Count<IpAddr>>,
}

impl Queueing {
    /// Joins the queue, if fewer than `most` wait.
    pub(super) fn join(
        limit: &Arc<Shared>,
        most: usize,
        client: Option<Count<IpAddr>>,
    ) -> Option<Self> {
        let queued = Queued::enter(limit, most)?;
        Some(Self { queued, client })
    }

    /// Waits for a place, first come, first served; `None` when the time is over.
    pub(crate) fn place(
        self,
        limit: Duration,
    ) -> impl Future<Output = Option<SessionPlace>> + Send {
        let Self { queued, client } = self;
        async move {
            let shared = Arc::clone(&queued.0);
            // Nobody closes the permits.
            timeout(limit, shared.places.permits.take())
                .await
                .ok()?
                .ok()?;
            Some(SessionPlace::new(shared, client))
        }
    }
}

/// Counts as waiting until it is dropped.
struct Queued(Arc<Shared>);

impl Queued {
    fn enter(limit: &Arc<Shared>, most: usize) -> Option<Self> {
        let entered =
            limit
                .places
                .waiting
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                    (waiting < most).then_some(waiting + 1)
                });
        entered.is_ok().then(|| {
            count_waiting(1.0);
            Self(Arc::clone(limit))
        })
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.places.waiting.fetch_sub(1, Ordering::Relaxed);
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
