//! The tasks of a server, one for each session.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::task::{JoinError, JoinSet};

use crate::{
    error::{BoxError, Chain},
    session::SessionPlace,
};

/// For how long the results of tasks that have ended are kept.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// A task for each session. Dropping this drops them.
///
/// The results of tasks that have ended are taken when a new one begins, or after a second: a server
/// that is woken by each end would do little else.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    tasks: JoinSet<()>,
}

impl Tasks {
    /// Spawns a session, which holds its place until it ends.
    pub(super) fn spawn<F, T, E>(&mut self, session: F, place: Option<SessionPlace>)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        // Boxed: a task is a multiple of 128 octets, which it fits into once then.
        self.tasks.spawn(Box::pin(Session {
            session: Some(session),
            place,
        }));
        self.reap();
    }

    /// Whether there is no task, and no result of one.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes the results of tasks that have ended.
    pub(super) fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            note(ended);
        }
    }

    /// Waits for the sessions to end, and drops those that are left at the deadline.
    pub(super) async fn drain(mut self, deadline: impl Future<Output = ()>) {
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                note(ended);
            }
        };
        let is_over = tokio::select! {
            biased;
            () = ended => false,
            () = deadline => true,
        };
        if is_over {
            tracing::warn!(
                sessions = self.tasks.len(),
                "dropping the sessions that did not end in time"
            );
            self.tasks.shutdown().await;
        }
    }
}

pin_project! {
    /// Counts as a session until it has ended.
    struct Session<F> {
        #[pin]
        session: Option<F>,
        place: Option<SessionPlace>,
    }
}

impl<F, T, E> Future for Session<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(session) = this.session.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let outcome = ready!(session.poll(cx));
        // What the session holds goes before its place does: the next one would still find it.
        this.session.set(None);
        drop(this.place.take());
        if let Err(error) = outcome {
            let error = error.into();
            tracing::debug!(error = %Chain(&*error), "connection ended with an error");
        }
        Poll::Ready(())
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a session panicked");
    }
}
