//! The sessions that a server has open.

use std::{future::Future, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::timeout,
};

use crate::error::{BoxError, Chain};

/// For how long the remains of sessions that have ended lie about.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// Sessions, each a task of its own. Dropping this drops them.
///
/// What is left of those that have ended is cleared away when a new one begins, or after a second: a
/// server that is woken by each end would do little else.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    tasks: JoinSet<()>,
}

impl Sessions {
    pub(super) fn spawn<F, T, E>(&mut self, session: F)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.tasks.spawn(async move {
            if let Err(error) = session.await {
                let error = error.into();
                tracing::debug!(error = %Chain(&*error), "connection ended with an error");
            }
        });
        self.reap();
    }

    /// Whether there is nothing to clear away.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes note of sessions that have ended.
    pub(super) fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            note(ended);
        }
    }

    /// Waits for the sessions to end, and drops those that are left when the time is over.
    pub(super) async fn drain(mut self, limit: Duration) {
        let ended = timeout(limit, async {
            while let Some(ended) = self.tasks.join_next().await {
                note(ended);
            }
        });
        if ended.await.is_err() {
            tracing::warn!(
                sessions = self.tasks.len(),
                "dropping the sessions that did not end in time"
            );
            self.tasks.shutdown().await;
        }
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a session panicked");
    }
}
