use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use metrics::{Counter, Gauge, counter, gauge, histogram};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::super::{
    names::{
        BYTES, DATAGRAMS, DATAGRAMS_DROPPED, DIAL_SECONDS, REQUESTS, TUNNEL_SECONDS, TUNNELS_OPEN,
    },
    refusals::count_refusal,
};
use crate::{
    error::{BoxError, ReplyCodes},
    io::{ClientStream, Direction, DropReason, Meter},
    proto::{Address, Command, ReplyCode},
    relay::Traffic,
    session::{Request, Tunnel},
};

/// Counts requests, and measures their dials and tunnels. See the [module](crate::layer::metrics).
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestMetricsLayer;

impl RequestMetricsLayer {
    /// By the recorder that is installed when requests come.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for RequestMetricsLayer {
    type Service = RequestMetrics<S>;

    fn layer(&self, inner: S) -> RequestMetrics<S> {
        RequestMetrics { inner }
    }
}

/// Counts requests: the service of [`RequestMetricsLayer`].
#[derive(Clone, Copy, Debug)]
pub struct RequestMetrics<S> {
    inner: S,
}

/// Commands have a label each, and what clients invent has one together.
const fn label(command: Command) -> &'static str {
    match command {
        Command::CONNECT => "connect",
        Command::BIND => "bind",
        Command::UDP_ASSOCIATE => "udp",
        _ => "other",
    }
}

impl<S> Service<Request> for RequestMetrics<S>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = MetricsTunnel<S::Response>;
    type Error = BoxError;
    type Future = RequestMetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        RequestMetricsFuture {
            command: label(request.command),
            reply_codes: request.reply_codes.clone(),
            started: Instant::now(),
            asking: self.inner.call(request),
        }
    }
}

pin_project! {
    /// A request that is measured: the future of [`RequestMetrics`].
    pub struct RequestMetricsFuture<F> {
        command: &'static str,
        reply_codes: ReplyCodes,
        started: Instant,
        #[pin]
        asking: F,
    }
}

impl<F, T, E> Future for RequestMetricsFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<MetricsTunnel<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.asking.poll(cx)).map_err(Into::into);
        let code = match &outcome {
            Ok(_) => ReplyCode::SUCCEEDED,
            Err(error) => this.reply_codes.of(&**error),
        };
        let command = *this.command;
        if let Err(error) = &outcome {
            count_refusal(&**error);
        }
        counter!(REQUESTS, "command" => command, "reply" => code.0.to_string()).increment(1);
        histogram!(DIAL_SECONDS, "command" => command).record(this.started.elapsed());
        Poll::Ready(outcome.map(|tunnel| MetricsTunnel {
            tunnel,
            open: Open::new(command),
        }))
    }
}

impl<F> fmt::Debug for RequestMetricsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestMetricsFuture")
            .finish_non_exhaustive()
    }
}

/// A tunnel that is measured.
pub struct MetricsTunnel<T> {
    tunnel: T,
    open: Open,
}

/// An open tunnel, until it is dropped.
struct Open {
    command: &'static str,
    gauge: Gauge,
    since: Instant,
}

impl Open {
    fn new(command: &'static str) -> Self {
        let gauge = gauge!(TUNNELS_OPEN, "command" => command);
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
        histogram!(TUNNEL_SECONDS, "command" => self.command).record(self.since.elapsed());
    }
}

/// Counts the bytes of a tunnel.
struct Bytes {
    up: Counter,
    down: Counter,
}

impl Bytes {
    fn new(command: &'static str) -> Self {
        let transport = if command == "udp" { "udp" } else { "tcp" };
        Self {
            up: counter!(BYTES, "direction" => "up", "transport" => transport),
            down: counter!(BYTES, "direction" => "down", "transport" => transport),
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
        let direction = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        counter!(DATAGRAMS, "direction" => direction).increment(count as u64);
    }

    fn dropped(&mut self, reason: DropReason, count: usize) {
        counter!(DATAGRAMS_DROPPED, "reason" => reason.as_str()).increment(count as u64);
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
