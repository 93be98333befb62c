//! The sessions that a server has open.

use std::{future::Future, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::timeout,
};

use crate::error::{BoxError, Chain};

/// Sessions, each a task of its own. Dropping this drops them.
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
    }

    /// Takes note of sessions that have ended, as they do. Never ready.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost with a dropped future.
    pub(super) async fn reap(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            note(ended);
        }
        std::future::pending().await
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
