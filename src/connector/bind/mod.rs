//! BIND: accepts a connection of the target's for the client (RFC 1928 sections 4 and 6).
//!
//! [`Bind`] listens for one connection, and the first reply says where. The client tells that the
//! target by a connection that it has already, as FTP does. The second reply comes once a peer has
//! connected, with its address, or once none will. Then bytes are relayed.
//!
//! * **BND can be reached**: it is the address from which we would go to the peer, which is not always
//!   the one on which the client reached us; where DST.ADDR is zeros the one that is
//!   [set](Bind::listen_address) or that of the client; or the [public one](Bind::public_address) of a
//!   NAT or a container's host. It listens before the first reply leaves.
//! * **Only the expected peer is accepted**: one whose address is DST.ADDR. `0.0.0.0` and `::` mean
//!   any peer; a policy may refuse that, and is asked about the peer in any case. Others are rejected,
//!   and the wait goes on; in SOCKS4 such a peer ends it, with 5B.
//! * **After one peer the listener is closed**, as well as when the client closes, or after
//!   [2 minutes](Bind::accept_timeout).
//!
//! ```
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream};
//! use tower::ServiceExt;
//! use tower_socks::{
//!     Request, Tunnel, connector::bind::Bind, io::PrefixedStream, proto::{Address, Command},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let mut request = Request::new(Command::BIND, "127.0.0.1:20".parse()?);
//! request.local = ([127, 0, 0, 1], 1080).into();
//! let tunnel = Bind::new().oneshot(request).await?;
//!
//! let (mut client, near) = tokio::io::duplex(64);
//! let listening = tunnel.bound();
//! tokio::spawn(tunnel.run(PrefixedStream::new(near)));
//!
//! let mut target = TcpStream::connect(listening.ip().unwrap()).await?;
//! target.write_all(b"220 hello").await?;
//!
//! let mut heard = [0; 19];
//! client.read_exact(&mut heard).await?;
//! assert_eq!(&heard[..4], b"\x05\x00\x00\x01"); // the second reply
//! assert_eq!(&heard[10..], b"220 hello");
//! # Ok(())
//! # }
//! ```

mod future;
mod reachable;
mod service;
mod tunnel;

pub use self::service::Bind;
