use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use metrics::{Counter, Gauge};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{
    io::{ClientStream, Direction, DropReason, Meter},
    layer::metrics::{
        keys::{self, OfCommand, counter, gauge, histogram},
        names::DATAGRAMS_DROPPED,
        refusals::count_refusal,
    },
    proto::Address,
    relay::Traffic,
    session::Tunnel,
};

/// Measures a tunnel: its time, octets and datagrams.
pub struct MetricsTunnel<T> {
    tunnel: T,
    open: Open,
}

impl<T> MetricsTunnel<T> {
    pub(super) fn new(tunnel: T, command: &'static OfCommand) -> Self {
        Self {
            tunnel,
            open: Open::new(command),
        }
    }
}

/// Counts a tunnel as open until it is dropped.
struct Open {
    command: &'static OfCommand,
    gauge: Gauge,
    since: Instant,
}

impl Open {
    fn new(command: &'static OfCommand) -> Self {
        let gauge = gauge(&command.open);
        gauge.increment(1.0);
        Self {
            command,
            gauge,
            since: Instant::now(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
        histogram(&self.command.tunnel_seconds).record(self.since.elapsed());
    }
}

/// Counts the octets and datagrams of a tunnel.
struct Bytes {
    up: Counter,
    down: Counter,
}

impl Bytes {
    fn new(command: &'static OfCommand) -> Self {
        Self {
            up: counter(&command.up),
            down: counter(&command.down),
        }
    }
}

impl Meter for Bytes {
    fn moved(&mut self, direction: Direction, bytes: usize) {
        let counter = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        counter.increment(bytes as u64);
    }

    fn datagrams(&mut self, direction: Direction, count: usize) {
        counter(keys::datagrams(direction)).increment(count as u64);
    }

    fn dropped(&mut self, reason: DropReason, count: usize) {
        metrics::counter!(DATAGRAMS_DROPPED, "reason" => reason.as_str()).increment(count as u64);
    }
}

impl<T: Tunnel> Tunnel for MetricsTunnel<T> {
    fn bound(&self) -> Address {
        self.tunnel.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        let bytes = Bytes::new(self.open.command);
        Run {
            running: self.tunnel.run(client.metered(bytes)),
            _open: self.open,
        }
    }
}

pin_project! {
    struct Run<F> {
        #[pin]
        running: F,
        _open: Open,
    }
}

impl<F: Future<Output = io::Result<Traffic>>> Future for Run<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let outcome = ready!(self.project().running.poll(cx));
        if let Err(error) = &outcome {
            count_refusal(error);
        }
        Poll::Ready(outcome)
    }
}

impl<T: fmt::Debug> fmt::Debug for MetricsTunnel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsTunnel")
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}
