//! CONNECT from this machine (RFC 1928 section 6, CONNECT).
//!
//! [`Direct`] resolves the target's name, asks the policies about each address, and dials what they
//! approved: all of it, by happy eyeballs (RFC 8305), and the very addresses that were checked.
//!
//! * **Every address gets its chance.** Families take turns, in the order of the resolver, with 250
//!   ms between one start and the next. An attempt that fails starts the next one at once, so a dead
//!   first address costs no more than the stagger. Of a name with more than 32 approved
//!   addresses, the first 32 are tried.
//! * **The dial is bounded**: 20 s for names and connections together, unless
//!   [`connect_timeout`](Direct::connect_timeout) says otherwise.
//! * **BND is true**: the local address of the outgoing socket.
//! * **Link-local targets** are reached on the link of their zone, `[fe80::1%eth0]:1080`, which text and
//!   socket addresses can have and requests of clients cannot. Policies are asked about the address alone.
//! * **It fits elsewhere.** It is a `Service` for everything that names a [`Target`]: a request, an
//!   address, a type of yours. Its response is a stream.
//!
//! Names are resolved by a tower service too, a [`Resolve`]: the [system's][`SystemResolver`], or
//! hickory's with the feature `hickory`, or a closure, or any of them under a cache of yours.
//!
//! ```
//! use tokio::{io::AsyncReadExt, net::TcpListener};
//! use tower::ServiceExt;
//! use tower_socks::{connector::direct::Direct, proto::Address};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = Address::Ip(listener.local_addr()?);
//!
//! let mut stream = Direct::new().oneshot(address).await?;
//!
//! let (accepted, peer) = listener.accept().await?;
//! assert_eq!(stream.bound(), &Address::Ip(peer));
//! drop(accepted);
//! assert_eq!(stream.read(&mut [0; 8]).await?, 0);
//! # Ok(())
//! # }
//! ```
//!
//! [`Resolve`]: crate::connector::resolve::Resolve
//! [`SystemResolver`]: crate::connector::resolve::SystemResolver
//! [`Target`]: crate::session::Target

mod connect;
mod future;
mod happy_eyeballs;
mod service;

// `proxy_url` wraps it.
pub(super) use self::future::ResponseFuture;
pub use self::{happy_eyeballs::ConnectError, service::Direct};
