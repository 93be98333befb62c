use std::{
    fmt,
    future::{Future, IntoFuture, Pending, pending, poll_fn},
    io,
    net::SocketAddr,
    panic::resume_unwind,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    AcceptService, Listener,
    backoff::Backoff,
    tasks::{SWEEP, Tasks},
};
use crate::{
    admission::{UnauthenticatedLimit, held_back},
    error::BoxError,
    session::Accepted,
};

/// Serves the connections of `listener` with `stack`. See the [module](super).
///
/// Await the result to run the server. Without
/// [`with_graceful_shutdown`](Serve::with_graceful_shutdown) it ends only when the stack fails in
/// `poll_ready`.
pub fn serve<L, S>(mut listener: L, stack: S) -> Serve<L, S>
where
    L: Listener,
    S: AcceptService<L::Io>,
{
    Serve {
        // Now, and not when the server first runs: clients may be in the queue by then.
        listening: listener.start(),
        listener,
        stack,
        signal: pending(),
        drain_limit: Duration::from_secs(30),
        unauthenticated: None,
        start: |server| Box::pin(async { Task(tokio::spawn(server.run())).await }),
    }
}

/// A server that is about to run: the result of [`serve`].
#[must_use = "a server does nothing until it is awaited"]
pub struct Serve<L, S, F = Pending<()>> {
    listening: io::Result<SocketAddr>,
    listener: L,
    stack: S,
    signal: F,
    drain_limit: Duration,
    unauthenticated: Option<UnauthenticatedLimit>,
    // What `serve` asks of a listener and a stack is not asked a second time: where one of them does
    // not have it, awaiting this is no second error.
    start: fn(Serve<L, S, Signal>) -> Running,
}

/// Ready once the server shall end.
type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

impl<L, S, F> Serve<L, S, F> {
    /// Ends the server once `signal` is ready: the listener is closed at once, and the server is
    /// done when its sessions are, or when the [drain limit](Self::drain_limit) has passed.
    pub fn with_graceful_shutdown<G>(self, signal: G) -> Serve<L, S, G>
    where
        G: Future<Output = ()> + Send + 'static,
    {
        Serve {
            listening: self.listening,
            listener: self.listener,
            stack: self.stack,
            signal,
            drain_limit: self.drain_limit,
            unauthenticated: self.unauthenticated,
            start: self.start,
        }
    }

    /// Bounds how many connections of one client address may be in the handshake at once; not bounded by
    /// default. One more is closed at once. Those that have authenticated do not count.
    ///
    /// A stack without [`HandshakeLayer`](crate::HandshakeLayer) does not say when that is: there
    /// all connections count.
    pub fn unauthenticated_per_client(mut self, most: usize) -> Self {
        self.unauthenticated = Some(UnauthenticatedLimit::new(most));
        self
    }

    /// Sets the time that sessions have to end after the signal, 30 s by default. Those that are left
    /// are dropped.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }
}

impl<L, S> Serve<L, S, Signal>
where
    L: Listener,
    S: AcceptService<L::Io>,
{
    async fn run(self) -> Result<(), BoxError> {
        let Self {
            listening,
            mut listener,
            mut stack,
            mut signal,
            drain_limit,
            unauthenticated,
            start: _,
        } = self;
        let listening = listening?;
        let mut tasks = Tasks::default();
        let mut backoff = Backoff::default();
        let mut sweep = pin!(sleep(SWEEP));
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut signal => break,
                accepted = next(&mut listener, listening, &mut stack, &mut backoff) => accepted?,
                () = &mut sweep, if !tasks.is_empty() => {
                    tasks.reap();
                    sweep.as_mut().reset(Instant::now() + SWEEP);
                    continue;
                }
            };
            if let Some(accepted) = admitted(accepted, unauthenticated.as_ref()) {
                tasks.spawn(stack.serve(accepted));
            }
        }
        // Clients that connect from here on are refused instead of kept waiting.
        drop(listener);
        tasks.drain(drain_limit).await;
        Ok(())
    }
}

/// Admits a connection, if its client has not too many in the handshake.
fn admitted<Io>(
    mut accepted: Accepted<Io>,
    limit: Option<&UnauthenticatedLimit>,
) -> Option<Accepted<Io>> {
    if let Some(limit) = limit {
        let Some(counted) = limit.enter(accepted.peer.ip()) else {
            tracing::debug!(peer = %accepted.peer, "closed: too many of its connections in the handshake");
            return None;
        };
        accepted.extensions.insert(counted);
    }
    Some(accepted)
}

/// Accepts a connection, once the stack is ready for it.
async fn next<L, S>(
    listener: &mut L,
    listening: SocketAddr,
    stack: &mut S,
    backoff: &mut Backoff,
) -> Result<Accepted<L::Io>, BoxError>
where
    L: Listener,
    S: AcceptService<L::Io>,
{
    ready(stack).await.map_err(Into::into)?;
    loop {
        match listener.accept(listening).await {
            Ok(accepted) => {
                backoff.reset();
                return Ok(accepted);
            }
            Err(error) => backoff.after(&error).await,
        }
    }
}

/// Waits until there is room for a session. Clients wait in the queue of the system meanwhile.
async fn ready<Io, S: AcceptService<Io>>(stack: &mut S) -> Result<(), S::Error> {
    let mut ready = pin!(stack.ready());
    if let Poll::Ready(outcome) = poll_fn(|cx| Poll::Ready(ready.as_mut().poll(cx))).await {
        return outcome;
    }
    held_back("sessions", "all", true);
    let outcome = ready.await;
    held_back("sessions", "all", false);
    outcome
}

/// The server as a task of its own. A worker thread of the runtime accepts then, and hands
/// connections to itself; the thread of `block_on`, on which `main` runs, would have to be woken for each
/// of them.
struct Task(JoinHandle<Result<(), BoxError>>);

impl Future for Task {
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::task::ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(outcome) => Poll::Ready(outcome),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends.
                Err(error) => Poll::Ready(Err(error.into())),
            },
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// # Cancel safety
///
/// Dropping the future closes the listener and drops all sessions.
impl<L, S, F> IntoFuture for Serve<L, S, F>
where
    F: Future<Output = ()> + Send + 'static,
{
    /// Fails when the listener cannot be started, or when the stack fails in `poll_ready`.
    type Output = Result<(), BoxError>;
    type IntoFuture = Running;

    fn into_future(self) -> Self::IntoFuture {
        (self.start)(Serve {
            listening: self.listening,
            listener: self.listener,
            stack: self.stack,
            signal: Box::pin(self.signal),
            drain_limit: self.drain_limit,
            unauthenticated: self.unauthenticated,
            start: self.start,
        })
    }
}

impl<L: fmt::Debug, S, F> fmt::Debug for Serve<L, S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("drain_limit", &self.drain_limit)
            .finish_non_exhaustive()
    }
}
