//! Writes a layer as an async closure.
//!
//! [`request_fn`] makes a layer for the place below [`AuthLayer`](crate::AuthLayer) out of a
//! closure that takes a [`Request`](crate::Request) and the service below, [`Next`]. The closure
//! may look at the request and change it, refuse it, run it, run another one, and wrap the tunnel
//! that comes of it:
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_socks::{
//!     Connector, Identity, Refusal, Request, TunnelExt, error::reply_code, layer::request_fn::request_fn,
//!     proto::{Address, Command, ReplyCode},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let open = Arc::new(());
//! let guard = Arc::clone(&open);
//! let service = ServiceBuilder::new()
//!     .layer(request_fn(async move |request, next| {
//!         if request.identity.name() != Some(b"joe") {
//!             return Err(Refusal::not_allowed("joe alone").into());
//!         }
//!         let tunnel = next.run(request).await?;
//!         Ok(tunnel.hold(guard))
//!     }))
//!     .service(Connector::direct());
//!
//! # let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let mut request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
//! request.identity = Identity::named("jane");
//! let refused = service.clone().oneshot(request.clone()).await.err().unwrap();
//! assert_eq!(reply_code(&*refused), ReplyCode::NOT_ALLOWED);
//!
//! # let before = Arc::strong_count(&open);
//! request.identity = Identity::named("joe");
//! let tunnel = service.clone().oneshot(request).await?;
//! assert_eq!(Arc::strong_count(&open), before + 1); // until the tunnel ends
//! # drop(tunnel);
//! # assert_eq!(Arc::strong_count(&open), before);
//! # Ok(())
//! # }
//! ```
//!
//! tower's `service_fn` is a whole service and has nothing below it, `filter_async` decides before
//! the dial and sees nothing of it; this one stands around the dial, as axum's `from_fn` stands
//! around a handler. A policy that has to see addresses too is an [`AclLayer`](crate::AclLayer), a
//! count per key a [`Limiter`](crate::layer::limit::Limiter).
//!
//! # Captured values
//!
//! Each request gets a clone of the closure, so that what a `move` closure captures belongs to that
//! request and an `async move` closure compiles without clones of its own. State that requests
//! share is in an [`Arc`](std::sync::Arc). `move |request, next| async move { .. }` and an
//! `async fn` over any [`Dial`](crate::session::Dial) work as well:
//!
//! ```
//! use tower_socks::{BoxError, Request, Tunnel, layer::request_fn::{Next, request_fn}, session::Dial};
//!
//! async fn twice<S: Dial<Future: Send> + Clone>(
//!     request: Request,
//!     next: Next<S>,
//! ) -> Result<impl Tunnel, BoxError> {
//!     match next.clone().run(request.clone()).await {
//!         Ok(tunnel) => Ok(tunnel),
//!         Err(_) => next.run(request).await,
//!     }
//! }
//! # use tower::Layer;
//! # let service = request_fn(twice).layer(tower_socks::Connector::direct());
//! # fn tunnels<S: Dial<Future: Send>>(_: S) {}
//! # tunnels(service);
//! ```
//!
//! # Readiness
//!
//! The layer is always ready, and [`Next::run`] waits until the service below is: a closure that
//! takes its time holds no permit of a limit below, and one that refuses takes none. So tower's
//! `load_shed` belongs directly above the limit that it is about, below this layer.
//!
//! It costs a clone of the closure and of the service for each request, and no box.

mod layer;
mod next;

pub use self::{
    layer::{RequestFn, RequestFnLayer, request_fn},
    next::Next,
};
