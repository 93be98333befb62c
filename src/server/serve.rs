use std::{
    fmt,
    future::{Future, IntoFuture, Pending, pending},
    io,
    net::SocketAddr,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};

use super::{AcceptService, Listener};
use crate::{
    admission::HandshakeLimit,
    error::BoxError,
    io::Keepalive,
    session::{Limits, SessionLimit},
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
        deadline: None,
        limits: Limits::default(),
        start: |server| Box::pin(async { Task(tokio::spawn(server.run())).await }),
    }
}

/// A server that is about to run: the result of [`serve`].
#[must_use = "a server does nothing until it is awaited"]
pub struct Serve<L, S, F = Pending<()>> {
    pub(super) listening: io::Result<SocketAddr>,
    pub(super) listener: L,
    pub(super) stack: S,
    pub(super) signal: F,
    pub(super) drain_limit: Duration,
    /// In place of that limit.
    pub(super) deadline: Option<Signal>,
    pub(super) limits: Limits,
    // What `serve` asks of a listener and a stack is not asked a second time: where one of them does
    // not have it, awaiting this is no second error.
    pub(super) start: fn(Serve<L, S, Signal>) -> Running,
}

/// Ready once the server shall end.
pub(super) type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

impl<L, S, F> Serve<L, S, F> {
    /// Ends the server once `signal` is ready: the listener is closed at once, and the server is
    /// done when its sessions are, or when the [drain limit](Self::drain_limit) has passed. Connections that were
    /// accepted, and wait for a place, are served if they get one.
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
            deadline: self.deadline,
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

    /// Leaves sessions to themselves after the signal, in place of a [time](Self::drain_limit), until `deadline` is
    /// ready, which is looked at from then on. Those that are left are dropped.
    ///
    /// So a listener can retire while its sessions go on: another server takes over, which has the same socket
    /// ([`try_clone`](std::net::TcpListener::try_clone)) and a stack with other settings. Clients in the queue of the
    /// socket notice nothing.
    ///
    /// ```
    /// use std::future::IntoFuture;
    /// use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}, sync::oneshot};
    /// use tower_socks::serve;
    /// # use tower::ServiceBuilder;
    /// # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_socks::BoxError> {
    /// # let stack = ServiceBuilder::new()
    /// #     .layer(HandshakeLayer::new())
    /// #     .layer(AuthLayer::new(NoAuth))
    /// #     .service(Connector::direct());
    /// let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// let (retire, retired) = oneshot::channel::<()>();
    /// let before = serve(TcpListener::from_std(socket.try_clone()?)?, stack.clone())
    ///     .with_graceful_shutdown(async { _ = retired.await })
    ///     .drain_until(std::future::pending());
    /// tokio::spawn(before.into_future());
    /// let mut client = TcpStream::connect(socket.local_addr()?).await?;
    /// client.write_all(&[5, 1, 0]).await?;
    /// client.read_exact(&mut [0; 2]).await?;
    ///
    /// tokio::spawn(serve(TcpListener::from_std(socket)?, stack).into_future());
    /// _ = retire.send(());
    /// client.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 0]).await?; // is still served
    /// let mut reply = [0; 10];
    /// client.read_exact(&mut reply).await?;
    /// assert_eq!(reply[0], 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain_until<D>(mut self, deadline: D) -> Self
    where
        D: Future<Output = ()> + Send + 'static,
    {
        self.deadline = Some(Box::pin(deadline));
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
        let set = keepalive.replace(&socket2::SockRef::from(&self.listener));
        self.listening = set.and(self.listening);
        self
    }
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
            deadline: self.deadline,
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
