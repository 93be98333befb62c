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
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    AcceptService, Listener,
    admissions::{Admissions, Arrival},
    backoff::Backoff,
    tasks::{SWEEP, Tasks},
};
use crate::{
    admission::{HandshakeLimit, held_back},
    error::BoxError,
    io::Keepalive,
    session::{Draining, Limits, Senders, SessionLimit, announced},
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
        limits: Limits::default(),
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
    limits: Limits,
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
            limits: self.limits,
            start: self.start,
        }
    }

    /// Bounds live sessions, in all, of each client, and of each user; not bounded by default. Clones of
    /// the limit bound the sessions of several servers together.
    ///
    /// tower's `concurrency_limit` bounds sessions in all as well, but knows of no clients: one of them can
    /// hold all. And it gives a place to each listener that is ready for a connection, so that the last
    /// of them wait at a port that nobody uses.
    pub fn sessions(mut self, limit: SessionLimit) -> Self {
        self.limits.sessions = Some(limit);
        self
    }

    /// Bounds how many connections of one client may be in the handshake at once; not bounded by
    /// default. One more is closed at once. Clones of the limit count together. Behind a
    /// [`ProxyProtocolLayer`](crate::layer::proxy_protocol::ProxyProtocolLayer) a client is counted once its header
    /// is read.
    ///
    /// A stack without [`HandshakeLayer`](crate::HandshakeLayer) says when a request is read by
    /// [`Request::count_connection`](crate::Request::count_connection); where it does not, all connections count.
    ///
    /// ```
    /// # use std::future::IntoFuture;
    /// # use tokio::{io::AsyncReadExt, net::{TcpListener, TcpStream}};
    /// # use tower::ServiceBuilder;
    /// use tower_socks::{serve, server::HandshakeLimit};
    /// # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_socks::BoxError> {
    /// # let stack = ServiceBuilder::new()
    /// #     .layer(HandshakeLayer::new())
    /// #     .layer(AuthLayer::new(NoAuth))
    /// #     .service(Connector::direct());
    /// // One connection of each client in the handshake, at two listeners together.
    /// let limit = HandshakeLimit::per_client(1);
    /// # let mut addresses = Vec::new();
    /// for _ in 0..2 {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// #   addresses.push(listener.local_addr()?);
    ///     tokio::spawn(serve(listener, stack.clone()).handshakes(limit.clone()).into_future());
    /// }
    ///
    /// let first = TcpStream::connect(addresses[0]).await?;
    /// # tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    /// let mut second = TcpStream::connect(addresses[1]).await?;
    /// assert_eq!(second.read(&mut [0]).await?, 0); // closed
    /// # Ok(())
    /// # }
    /// ```
    pub fn handshakes(mut self, limit: HandshakeLimit) -> Self {
        self.limits.handshakes = Some(limit);
        self
    }

    /// Bounds how many connections of one client may be in the handshake at once, at this listener
    /// alone: [`handshakes`](Self::handshakes) with a count of its own.
    pub fn unauthenticated_per_client(self, most: usize) -> Self {
        self.handshakes(HandshakeLimit::per_client(most))
    }

    /// Sets the time that sessions have to end after the signal, 30 s by default. Those that are left
    /// are dropped.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }
}

impl<S, F> Serve<TcpListener, S, F> {
    /// Sets how soon a client that has vanished is noticed: after 2 min by default.
    ///
    /// A [`Listener`] of your own that accepts from a `TcpListener` has the default if its
    /// [`start`](Listener::start) calls that one's.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_socks::{io::Keepalive, serve};
    /// # use tower::ServiceBuilder;
    /// # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_socks::BoxError> {
    /// # let stack = ServiceBuilder::new()
    /// #     .layer(HandshakeLayer::new())
    /// #     .layer(AuthLayer::new(NoAuth))
    /// #     .service(Connector::direct());
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let rarely = Keepalive::new().idle(Duration::from_secs(600));
    /// let server = serve(listener, stack).keepalive(rarely);
    /// # assert!(tokio::time::timeout(Duration::from_millis(1), server).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn keepalive(mut self, keepalive: Keepalive) -> Self {
        let set = keepalive.set(&socket2::SockRef::from(&self.listener));
        self.listening = set.and(self.listening);
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
            limits,
            start: _,
        } = self;
        let listening = listening?;
        let mut admissions = Admissions::new(limits);
        let mut tasks = Tasks::default();
        let (drain, draining) = Draining::new();
        let mut backoff = Backoff::default();
        let mut sweep = pin!(sleep(SWEEP));
        loop {
            let Arrival {
                mut accepted,
                place,
            } = tokio::select! {
                biased;
                () = &mut signal => break,
                arrival = next(&mut listener, listening, &mut stack, &mut backoff, &mut admissions) => {
                    arrival?
                }
                () = &mut sweep, if !tasks.is_empty() => {
                    tasks.reap();
                    sweep.as_mut().reset(Instant::now() + SWEEP);
                    continue;
                }
            };
            accepted.drained_by(draining.clone());
            tasks.spawn(stack.serve(accepted), place);
        }
        // Clients that connect from here on are refused instead of kept waiting.
        drop(listener);
        drop(admissions);
        let _ = drain.send(true);
        tasks.drain(drain_limit).await;
        Ok(())
    }
}

/// Accepts a connection and admits it, once the stack is ready for it.
async fn next<L, S>(
    listener: &mut L,
    listening: SocketAddr,
    stack: &mut S,
    backoff: &mut Backoff,
    admissions: &mut Admissions<L::Io>,
) -> Result<Arrival<L::Io>, BoxError>
where
    L: Listener,
    S: AcceptService<L::Io>,
{
    let senders = ready(stack).await.map_err(Into::into)?;
    loop {
        let accepted = tokio::select! {
            biased;
            arrival = admissions.next(), if admissions.is_waited_for() => return Ok(arrival),
            accepted = listener.accept(listening) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                backoff.reset();
                if let Some(arrival) = admissions.admit(accepted, senders.as_ref()) {
                    return Ok(arrival);
                }
            }
            Err(error) => backoff.after(&error).await,
        }
    }
}

/// Waits until there is room for a session. Clients wait in the queue of the system meanwhile. Returns the peers
/// whose clients the stack will know by a header.
async fn ready<Io, S: AcceptService<Io>>(stack: &mut S) -> Result<Option<Senders>, S::Error> {
    let mut ready = pin!(stack.ready());
    let mut poll = |cx: &mut Context<'_>| {
        let (polled, senders) = announced(|| ready.as_mut().poll(cx));
        polled.map_ok(|()| senders)
    };
    if let Poll::Ready(outcome) = poll_fn(|cx| Poll::Ready(poll(cx))).await {
        return outcome;
    }
    held_back("sessions", "all", true);
    let outcome = poll_fn(poll).await;
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
            limits: self.limits,
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
