//! Records of sessions: what became of each, given to sinks. An access log is one, accounting another.
//!
//! A [`Recorder`] has two layers. That for [sessions](Recorder::sessions) begins a record with each connection, and that
//! for [requests](Recorder::requests) fills in what becomes of the request and its tunnel. The record ends where the log
//! line of the session is written, so there is one [`Record`] for each: with the client, the user, the target and the
//! address that was dialled, the reply code, the traffic, the times, and in which manner it [ended](End), so that the
//! operator's close can be told from a limit. A session that failed before there was a request has a record as well, with
//! the name that was tried to log in. A connection of HTTP has one for each of its requests, and one for each attempt
//! to log in that failed. Dropped sessions have theirs too. A client that leaves without having
//! asked for anything has none, and is [counted](Recorder::unspoken).
//!
//! [`TraceLayer`](crate::layer::trace::TraceLayer) has hooks for single points of a request; a record has all that is
//! known in the end, of the session as well. [`OpenTunnels`](crate::layer::track::OpenTunnels) lists what is open.
//!
//! For accounting, sinks hear of a tunnel when it opens, and [again and again](Sink::interval) while it lasts, without a
//! task for each. A record costs some hundred bytes for each session and a microsecond or so; datagrams of an association are
//! counted for 32 [destinations](Destinations) and in sum for the rest. Without a sink nothing is collected, and bulk
//! data moves by `splice(2)` in any case.
//!
//! # Example
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
//! use tower::ServiceBuilder;
//! use tower_socks::{
//!     AuthLayer, Connector, HandshakeLayer, NoAuth,
//!     layer::record::{EndKind, Record, Recorder, Sink},
//!     serve,
//! };
//!
//! /// Keeps one line for each session.
//! #[derive(Default)]
//! struct Lines(Mutex<Vec<String>>);
//!
//! impl Sink for Lines {
//!     fn ended(&self, record: &Record) {
//!         let target = record.target.as_ref().map(ToString::to_string).unwrap_or_default();
//!         let end = record.end.as_ref().map_or(EndKind::Done, |end| end.kind);
//!         let line = format!("{target} {} {end}", record.traffic.up);
//!         self.0.lock().unwrap().push(line);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let lines = Arc::new(Lines::default());
//! let recorder = Recorder::new([lines.clone() as Arc<dyn Sink>]);
//! tokio::spawn(recorder.clone().updates());
//! let stack = ServiceBuilder::new()
//!     .layer(recorder.sessions().listener("office"))
//!     .layer(HandshakeLayer::new())
//!     .layer(AuthLayer::new(NoAuth))
//!     .layer(recorder.requests())
//!     .service(Connector::direct());
//!
//! let target = TcpListener::bind("127.0.0.1:0").await?;
//! let port = target.local_addr()?.port();
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = listener.local_addr()?;
//! # let (stopped, stopping) = tokio::sync::oneshot::channel::<()>();
//! let server = serve(listener, stack);
//! # let server = server.with_graceful_shutdown(async { _ = stopping.await; });
//! # let server = tokio::spawn(server.into_future());
//! // .. a client says something, and leaves:
//! let mut client = TcpStream::connect(proxy).await?;
//! client.write_all(&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1]).await?;
//! client.write_all(&port.to_be_bytes()).await?;
//! client.read_exact(&mut [0; 12]).await?;
//! client.write_all(b"ping").await?;
//! let (mut accepted, _) = target.accept().await?;
//! accepted.read_exact(&mut [0; 4]).await?;
//! drop((client, accepted));
//! # stopped.send(()).unwrap();
//! # server.await??;
//! assert_eq!(*lines.0.lock().unwrap(), [format!("127.0.0.1:{port} 4 done")]);
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;
mod recorder;
mod tunnel;
mod updates;

pub use self::{
    layer::{RecordRequests, RecordRequestsLayer, RecordSessions, RecordSessionsLayer},
    recorder::Recorder,
    tunnel::RecordTunnel,
};
pub use crate::session::record::{
    Destination, Destinations, End, EndKind, Forwarded, Record, SessionId, Sink,
};
