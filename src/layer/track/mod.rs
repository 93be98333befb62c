//! A registry of open tunnels: client, target, time and traffic of each, and closing them.
//!
//! [`OpenTunnels`] lists every tunnel of the services under its [layer](OpenTunnels::layer), from the
//! reply to its end, for a status page or a command line. It can close one, or all that a function
//! selects. The traffic in it is live, and bulk data moves by `splice(2)` as without it. Metrics have
//! sums alone, since a label for each client would be one that clients can invent.
//!
//! While a server drains, [`close_idle`](OpenTunnels::close_idle) ends those in which nothing moves, so that
//! those that are busy have all of the time.
//!
//! It costs an entry for each open tunnel, of a few hundred bytes, and nothing once it has ended.
//!
//! # Example
//!
//! ```
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpListener};
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     Connector,
//!     Identity,
//!     Request,
//!     Tunnel,
//!     io::PrefixedStream,
//!     layer::track::OpenTunnels,
//!     proto::{Address, Command},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let open = OpenTunnels::new();
//! let service = open.layer().layer(Connector::direct());
//!
//! let target = TcpListener::bind("127.0.0.1:0").await?;
//! let mut request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
//! request.identity = Identity::named("joe");
//! let tunnel = service.oneshot(request).await?;
//! let (mut client, server) = tokio::io::duplex(64);
//! let running = tokio::spawn(tunnel.run(PrefixedStream::new(server)));
//! let (mut accepted, _) = target.accept().await?;
//! client.write_all(b"ping").await?;
//! accepted.read_exact(&mut [0; 4]).await?;
//!
//! let list = open.list();
//! assert_eq!(list[0].identity.to_string(), "joe");
//! assert_eq!(list[0].traffic.up, 4);
//!
//! open.close_where(|tunnel| tunnel.identity.name() == Some(b"joe"));
//! assert!(running.await?.is_err());
//! assert_eq!((open.list().len(), open.totals().opened), (0, 1));
//! # Ok(())
//! # }
//! ```

mod drain;
mod entry;
mod future;
mod layer;
mod registry;
mod tunnel;

pub use self::{
    entry::OpenTunnel,
    layer::{Track, TrackLayer},
    registry::{OpenTunnels, Totals},
    tunnel::TrackTunnel,
};
