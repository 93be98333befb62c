use std::{
    fmt,
    future::Future,
    io,
    num::NonZeroU64,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::Either;
use pin_project_lite::pin_project;

use super::{EndKind, Recorder};
use crate::{
    io::ClientStream,
    proto::Address,
    relay::Traffic,
    session::{Tunnel, record::Recording},
};

/// Counts what a tunnel moves for the record of its request: the tunnel of [`RecordRequests`](super::RecordRequests).
pub struct RecordTunnel<T> {
    tunnel: T,
    recorded: Option<(Recording, Recorder)>,
}

impl<T> RecordTunnel<T> {
    pub(super) const fn new(tunnel: T, recorded: Option<(Recording, Recorder)>) -> Self {
        Self { tunnel, recorded }
    }
}

impl<T: Tunnel> Tunnel for RecordTunnel<T> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        let Self { tunnel, recorded } = self;
        match recorded {
            None => Either::Left(tunnel.run(client)),
            Some((recording, recorder)) => Either::Right(Run {
                running: tunnel.run(client.metered(recording.counter())),
                open: Open {
                    number: recorder.shared.updates().enter(&recording),
                    recording,
                    recorder,
                },
            }),
        }
    }
}

pin_project! {
    struct Run<F> {
        #[pin]
        running: F,
        open: Open,
    }
}

/// A tunnel is told of until this is dropped.
struct Open {
    number: Option<NonZeroU64>,
    recording: Recording,
    recorder: Recorder,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.recorder.shared.updates().remove(number);
        }
    }
}

impl<F: Future<Output = io::Result<Traffic>>> Future for Run<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outcome = ready!(this.running.poll(cx));
        let kind = EndKind::of_tunnel(&outcome);
        this.open.recording.tunnel_ended(kind);
        Poll::Ready(outcome)
    }
}

impl<T: fmt::Debug> fmt::Debug for RecordTunnel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordTunnel")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}
