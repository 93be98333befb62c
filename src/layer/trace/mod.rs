//! Spans and events around requests and tunnels, in the manner of tower-http's `TraceLayer`.
//!
//! [`TraceLayer`] makes a span for each request, in which the dial and then the tunnel run, and calls
//! a hook at each step. Each hook can be replaced, by a closure or by a type of yours:
//!
//! | hook | when | by default |
//! |---|---|---|
//! | [`make_span`](TraceLayer::make_span) | a request has come | a span `request` at debug, with the fields below |
//! | [`on_request`](TraceLayer::on_request) | right after that | `request started` at debug |
//! | [`on_reply`](TraceLayer::on_reply) | the request has succeeded | `request succeeded` at debug, with BND and the time of the dial |
//! | [`on_error`](TraceLayer::on_error) | the request has failed | `request failed` at debug, with the reply code and the time of the dial |
//! | [`on_close`](TraceLayer::on_close) | the tunnel has ended | `tunnel closed`, or `tunnel broken` after an error, at debug, with its traffic and its time |
//!
//! The fields are named as OpenTelemetry's semantic conventions have it: `client.address`,
//! `client.port`, `server.address`, `server.port`, `network.protocol.name`, `network.transport`, `user.name`, and our own
//! `socks.command` and `socks.reply_code`.
//!
//! It stands anywhere below [`AuthLayer`](crate::AuthLayer): above the policy it sees refusals as well.
//! The session's own line in the log comes from [`HandshakeLayer`](crate::HandshakeLayer) and needs
//! none of this.
//!
//! # Example
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     BoxError, Connector, Request,
//!     layer::trace::TraceLayer,
//!     proto::{Address, Command, ReplyCode},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let codes = Arc::new(Mutex::new(Vec::new()));
//! let seen = codes.clone();
//! let trace = TraceLayer::new()
//!     .on_error(move |_: &BoxError, code, _latency, _: &tracing::Span| {
//!         seen.lock().unwrap().push(code);
//!     });
//!
//! let request = Request::new(Command(9), Address::UNSPECIFIED);
//! assert!(trace.layer(Connector::direct()).oneshot(request).await.is_err());
//! assert_eq!(*codes.lock().unwrap(), [ReplyCode::COMMAND_NOT_SUPPORTED]);
//! # Ok(())
//! # }
//! ```

mod future;
mod hooks;
mod layer;
mod tunnel;

pub use self::{
    hooks::{DefaultHooks, MakeSpan, OnClose, OnError, OnReply, OnRequest},
    layer::{Trace, TraceLayer},
    tunnel::TraceTunnel,
};
