//! A layer of your own.
//!
//! A layer below [`AuthLayer`](crate::AuthLayer) takes a [`Request`](crate::Request) and returns a
//! [`Tunnel`](crate::Tunnel). There are three forms, and the shortest that does the job is the right one:
//!
//! | form | for | example |
//! |---|---|---|
//! | [`request_fn`](crate::layer::request_fn::request_fn), a closure | to refuse, change, time or repeat a request, to wrap its tunnel | `examples/layer_closure.rs` |
//! | [`Limiter`](crate::layer::limit::Limiter) in a [`LimitLayer`](crate::layer::limit::LimitLayer) | to count something, and to make requests wait | `examples/limits.rs` |
//! | `Layer`, `Service` and future as types | a layer for others, that can be named in a struct | `examples/layer_type.rs` |
//!
//! Conditions on targets are none of these: they are a [`Policy`](crate::session::Policy) in an
//! [`AclLayer`](crate::AclLayer), which is asked about each address of a name as well.
//!
//! # A closure
//!
//! It gets the request and the rest of the stack. What it returns as an error becomes the reply: a
//! [`Refusal`](crate::Refusal) has a reply code of its own, everything else has the one of the
//! [table](crate::error).
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tower_socks::{Refusal, TunnelExt, layer::request_fn::request_fn, proto::Command};
//!
//! let layer = request_fn(async |request, next| {
//!     if request.command == Command::BIND {
//!         return Err(Refusal::not_allowed("no BIND").into());
//!     }
//!     let started = Instant::now();
//!     let target = request.target.clone();
//!     let tunnel = next.run(request).await?;
//!     tracing::info!(%target, dial = ?started.elapsed(), "open");
//!     Ok(tunnel.on_close(move |outcome| tracing::info!(%target, ?outcome, "closed")))
//! });
//! # use tower::{Layer, ServiceExt};
//! # use tower_socks::{Connector, Request, error::reply_code, proto::{Address, ReplyCode}};
//! # let service = layer.layer(Connector::direct());
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let error = service.oneshot(Request::new(Command::BIND, Address::UNSPECIFIED)).await.err().unwrap();
//! assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
//! # });
//! ```
//!
//! # A limiter
//!
//! It decides at once, or gives a future for later, and its permit is held until the tunnel has ended.
//!
//! ```
//! use std::sync::Arc;
//! use tokio::sync::{OwnedSemaphorePermit, Semaphore};
//! use tower_socks::{Refusal, Request, layer::limit::{Admission, LimitLayer, Limiter}};
//!
//! /// Tunnels of all users together, of which those of administrators wait for room.
//! #[derive(Clone)]
//! struct Room(Arc<Semaphore>);
//!
//! impl Limiter for Room {
//!     type Permit = OwnedSemaphorePermit;
//!
//!     fn admit(&self, request: &Request) -> Admission<OwnedSemaphorePermit> {
//!         let room = Arc::clone(&self.0);
//!         match Arc::clone(&room).try_acquire_owned() {
//!             Ok(permit) => Admission::Permit(permit),
//!             Err(_) if request.identity.name() == Some(b"admin") => Admission::Later(Box::pin(async {
//!                 room.acquire_owned().await.map_err(|_| Refusal::not_allowed("shut"))
//!             })),
//!             Err(_) => Admission::Refused(Refusal::not_allowed("full")),
//!         }
//!     }
//! }
//!
//! let layer = LimitLayer::new(Room(Arc::new(Semaphore::new(100))));
//! # use tower::{Layer, ServiceExt};
//! # use tower_socks::{Connector, proto::{Address, Command}};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # let service = LimitLayer::new(Room(Arc::new(Semaphore::new(0)))).layer(Connector::direct());
//! # let refused = service.oneshot(Request::new(Command::CONNECT, Address::UNSPECIFIED)).await;
//! # assert_eq!(refused.err().unwrap().to_string(), "full");
//! # });
//! # let _ = layer.layer(Connector::direct());
//! ```
//!
//! # Types with names
//!
//! `examples/layer_type.rs` has one written out. Three things are worth knowing:
//!
//! * **The error is [`BoxError`](crate::BoxError)**: tower's `option_layer` and `Either` need equal types.
//! * **The future is a struct around a private enum**, by pin-project-lite: no box, and its states
//!   may change.
//! * **What was ready is what is called.** A service that calls later takes the ready one and leaves a clone
//!   behind ([`std::mem::replace`]); a clone that was never asked whether it is ready gets
//!   `ServiceExt::oneshot`.
//!
//! # For as long as bytes flow
//!
//! A layer is done with the reply. What has to go on until the end is a wrapper of the tunnel:
//! [`hold`](crate::TunnelExt::hold), [`on_close`](crate::TunnelExt::on_close) and
//! [`metered`](crate::TunnelExt::metered), or an `impl Tunnel` of ten lines (`examples/tunnel.rs`).
//!
//! Datagrams of an association pass through a
//! [`DatagramTransport`](crate::datagram::DatagramTransport). One that drops some of them is a
//! closure (`examples/datagrams.rs`).
//!
//! # Above authentication
//!
//! There, layers take an [`Accepted`](crate::session::Accepted) or a
//! [`Negotiation`](crate::session::Negotiation), which have the client's stream;
//! [Before the dial](super::before_the_dial) has one. A protocol of your own is such a layer, too: it makes a `Request`, and
//! says so by [`count_connection`](crate::Request::count_connection) (`examples/shadowsocks`).
