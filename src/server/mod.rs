//! The accept loop: connections from a [`Listener`] to a `Service<Accepted<Io>>`.
//!
//! [`serve`] knows no layer. Anything that takes an [`Accepted`](crate::session::Accepted) connection can be
//! served; a [`HandshakeLayer`](crate::HandshakeLayer) at the top of a stack makes one.
//!
//! * **Back-pressure comes before accept.** The loop waits until the service is ready, and only then
//!   takes a connection. Under tower's `ConcurrencyLimit` the connections above the limit wait in the
//!   queue of the operating system.
//! * **No client takes it all.** A [`SessionLimit`] bounds live sessions in all, of each client and of each
//!   user, and a [`HandshakeLimit`] the connections of a client that have not sent a request. Neither holds
//!   up the loop: what is too much waits for a bounded time, or is closed. Listeners share them by clones.
//! * **It survives.** When descriptors or memory run out, it waits (5 ms, doubling up to 1 s), says
//!   so once, and goes on. A connection that broke before it was accepted is passed over. A session
//!   that panics ends alone.
//! * **It ends in order.** On the signal of
//!   [`with_graceful_shutdown`](Serve::with_graceful_shutdown) the listener is closed at once.
//!   Sessions have until the [`drain_limit`](Serve::drain_limit) to end by themselves, since SOCKS
//!   has no goodbye. Those that are left are dropped.
//!
//! # Example
//!
//! ```
//! use tokio::{net::TcpListener, sync::oneshot};
//! use tower::ServiceBuilder;
//! use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let stack = ServiceBuilder::new()
//!     .layer(HandshakeLayer::new())
//!     .layer(AuthLayer::new(NoAuth))
//!     .service(Connector::direct());
//!
//! let (stop, stopped) = oneshot::channel::<()>();
//! let server = serve(TcpListener::bind("127.0.0.1:0").await?, stack)
//!     .with_graceful_shutdown(async { _ = stopped.await });
//! # drop(stop);
//!
//! assert!(server.await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # An accept loop for each core
//!
//! One loop accepts, and the runtime spreads the sessions over its threads. Where the one loop is the
//! limit, several can share a port, and the system spreads connections over them. Clones of a stack
//! share its limits, and clones of a [`SessionLimit`] its counts:
//!
//! ```
//! # #[cfg(not(target_os = "linux"))]
//! # fn main() {}
//! # #[cfg(target_os = "linux")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! use std::{future::IntoFuture, net::SocketAddr, thread::available_parallelism};
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpSocket, TcpStream}, task::JoinSet};
//! use tower::ServiceBuilder;
//! use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve, server::SessionLimit};
//!
//! let stack = ServiceBuilder::new()
//!     .layer(HandshakeLayer::new())
//!     .layer(AuthLayer::new(NoAuth))
//!     .service(Connector::direct());
//!
//! let sessions = SessionLimit::new(10_000);
//! let mut address: SocketAddr = "127.0.0.1:0".parse()?;
//! let mut servers = JoinSet::new();
//! for _ in 0..available_parallelism()?.get() {
//!     let socket = TcpSocket::new_v4()?;
//!     socket.set_reuseport(true)?;
//!     socket.bind(address)?;
//!     let listener = socket.listen(1024)?;
//!     address = listener.local_addr()?;
//!     servers.spawn(serve(listener, stack.clone()).sessions(sessions.clone()).into_future());
//! }
//!
//! for _ in 0..10 {
//!     let mut client = TcpStream::connect(address).await?;
//!     client.write_all(&[5, 1, 0]).await?;
//!     assert_eq!([client.read_u8().await?, client.read_u8().await?], [5, 0]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Such loops are to begin and to end together: a connection that waits at a listener which is closed
//! is lost.

mod accept_loop;
mod admissions;
mod backoff;
mod listener;
mod serve;
mod service;
mod tasks;

pub use self::{
    listener::Listener,
    serve::{Serve, serve},
    service::AcceptService,
};
pub use crate::{admission::HandshakeLimit, session::SessionLimit};
