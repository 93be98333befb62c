//! The accept loop: connections from a [`Listener`] to a `Service<Accepted<Io>>`.
//!
//! [`serve`] knows no layer. Anything that takes an [`Accepted`](crate::Accepted) connection can be
//! served; a [`HandshakeLayer`](crate::HandshakeLayer) at the top of a stack makes one.
//!
//! * **Back-pressure comes before accept.** The loop waits until the service is ready, and only then
//!   takes a connection. Under tower's `ConcurrencyLimit` the connections above the limit wait in the
//!   queue of the operating system.
//! * **It survives.** When descriptors or memory run out, it waits (5 ms, doubling up to 1 s), says
//!   so once, and goes on. A connection that broke before it was accepted is passed over. A session
//!   that panics takes nobody with it.
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

mod backoff;
mod listener;
mod serve;
mod sessions;
mod stack;

pub use self::{
    listener::Listener,
    serve::{Serve, serve},
    stack::Stack,
};
