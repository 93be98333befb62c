//! Testing without a network.
//!
//! Every part is a `Service`, so a test calls it, and what stands around it is another service.
//!
//! # A layer, over tower-test's mock
//!
//! The mock says when it is ready and what it returns; the test sees the request that came through.
//!
//! ```
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     Request, TunnelExt, layer::request_fn::request_fn, proto::{Address, Command},
//!     session::Connected,
//! };
//!
//! type Opened = Connected<tokio::io::Empty>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let layer = request_fn(async |mut request, next| {
//!     request.target = Address::new("mirror.test", request.target.port())?;
//!     next.run(request).await
//! });
//! let (below, mut handle) = tower_test::mock::pair::<Request, Opened>();
//! let running = tokio::spawn({
//!     let request = Request::new(Command::CONNECT, "origin.test:80".parse()?);
//!     layer.layer(below).map_response(|tunnel| tunnel.boxed()).oneshot(request)
//! });
//!
//! let (request, reply) = handle.next_request().await.ok_or("nothing came")?;
//! assert_eq!(request.target.to_string(), "mirror.test:80");
//! reply.send_response(Connected::new(tokio::io::empty(), Address::UNSPECIFIED));
//! assert!(running.await?.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! A request by itself has everything open: set `identity`, `peer` or `extensions` as the test needs them.
//!
//! # A stack, over a stream in memory
//!
//! Two lines: a duplex stream, and an [`Accepted`](crate::session::Accepted) around its near end.
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_socks::{
//!     AuthLayer, BoxError, HandshakeLayer, NoAuth, Request, proto::Address,
//!     session::{Accepted, Connected},
//! };
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let connector = service_fn(async |_: Request| {
//!     Ok::<_, BoxError>(Connected::new(tokio::io::empty(), Address::UNSPECIFIED))
//! });
//! let stack = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(connector));
//!
//! let (mut client, near) = tokio::io::duplex(1024);
//! let accepted = Accepted::new(near, "192.0.2.1:5000".parse()?, "192.0.2.2:1080".parse()?);
//!
//! let session = tokio::spawn(stack.oneshot(accepted));
//! client.write_all(b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x03\x00\x50").await?;
//! client.shutdown().await?;
//! let mut heard = Vec::new();
//! client.read_to_end(&mut heard).await?;
//! assert_eq!(heard, b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00");
//! assert_eq!(session.await??.down, 0);
//! # Ok(())
//! # }
//! ```
//!
//! With `#[tokio::test(start_paused = true)]` time limits take no time: the clock moves on once
//! every task waits.
//!
//! # A policy
//!
//! It is a function: call [`Policy::check`](crate::session::Policy::check) and
//! [`check_address`](crate::session::Policy::check_address) with a request. For
//! [`Rules`](crate::Rules) there is [`explain`](crate::Rules::explain) as well, which names the
//! rule that decides.
