use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{
    entry::{Closing, Counter},
    registry::Place,
};
use crate::{
    error::Refusal,
    io::ClientStream,
    proto::Address,
    relay::{RelayError, RelayErrorKind, Traffic},
    session::Tunnel,
};

/// Keeps a tunnel in the registry until it ends, or is closed from there.
pub struct TrackTunnel<T> {
    tunnel: T,
    place: Place,
}

impl<T> TrackTunnel<T> {
    pub(super) const fn new(tunnel: T, place: Place) -> Self {
        Self { tunnel, place }
    }
}

impl<T: Tunnel> Tunnel for TrackTunnel<T> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        let counter = Counter(Arc::clone(&self.place.entry));
        Run {
            running: self.tunnel.run(client.metered(counter)),
            place: self.place,
        }
    }
}

pin_project! {
    struct Run<F> {
        #[pin]
        running: F,
        place: Place,
    }
}

impl<F: Future<Output = io::Result<Traffic>>> Future for Run<F> {
    type Output = io::Result<Traffic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entry = &this.place.entry;
        if let Some(closing) = entry.closing(cx) {
            let traffic = entry.traffic();
            return Poll::Ready(Err(match closing {
                Closing::Asked => {
                    let refusal =
                        Refusal::not_allowed("closed by the operator").with_rule("operator");
                    let refusal = io::Error::other(refusal);
                    RelayError::broken(RelayErrorKind::Closed, traffic, refusal)
                }
                Closing::Drained(limit) => {
                    RelayError::timed_out(RelayErrorKind::Drained, traffic, limit)
                }
            }));
        }
        this.running.poll(cx)
    }
}

impl<T: fmt::Debug> fmt::Debug for TrackTunnel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackTunnel")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}
