//! Turns requests for UDP over TCP into UDP associations whose datagrams travel in the client's stream.
//!
//! UDP ASSOCIATE needs a second port, a client that can be reached by UDP, and one server for both. Behind a
//! balancer of TCP connections, inside TLS, or on a network that carries TCP only, datagrams travel in the stream
//! instead, as sing-box ([`UdpOverTcp::V1`] and [`V2`](crate::proto::UdpOverTcp::V2)) and hev's programs
//! ([`ForwardUdp`](crate::proto::UdpOverTcp::ForwardUdp)) have it.
//!
//! Such a request is known by the name of its target or by its command, so it may come by SOCKS5, SOCKS4a or HTTP CONNECT,
//! inside TLS or not. The layer makes it a request for [`UDP_ASSOCIATE`](crate::proto::Command::UDP_ASSOCIATE) with the
//! [`UdpOverTcp`] in its extensions, and [`Associate`](crate::connector::associate::Associate) then opens no socket
//! for the client.
//!
//! * **It stands right behind [`AuthLayer`](crate::AuthLayer)**, above policies, limits and metrics: to all of them
//!   it is a UDP association, and a policy that refuses those refuses it. Policies that have judged the request before
//!   it was turned are asked again.
//! * **Each destination is asked of the policies**, with the same filtering, lookups, limits and counts as for UDP
//!   ASSOCIATE.
//! * **The order is that of the stream.** A segment that is lost holds up all datagrams behind it, which UDP would not
//!   do: for media, UDP ASSOCIATE is better where it works.
//! * **Whole or not at all.** A datagram that fits into no frame is dropped, and nothing is cut. There are no fragments.
//! * **Back-pressure.** What the transport does not take, and [meters](crate::io::Meter) that hold back, stop the
//!   client, and nothing is lost for that. Towards a client that does not read, up to
//!   [256 KiB](crate::connector::associate::Associate::backlog) of frames are kept; what is beyond is dropped and
//!   counted as [`Overflow`](crate::io::DropReason::Overflow), and no socket is left unread. Up, one read of 64 KiB is
//!   kept behind part of a frame. An idle tunnel keeps no buffer.
//! * **A malformed frame ends the tunnel**, since nobody knows where the next one begins. A whole frame for a name that
//!   cannot be a host's costs that datagram. The end of the stream ends the association, and so does the
//!   [silence](crate::connector::associate::Associate::idle_timeout) of the client; octets that are no whole frame are no
//!   sign of its life.
//! * **Without it** such requests are refused with 07: by the connectors of this crate, and by
//!   [`Request::approve_name`](crate::Request::approve_name), which one of your own asks before it hands a name to another
//!   proxy. Otherwise that one would execute them, and no policy would be asked about a destination.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_socks::{
//!     BoxError, Request,
//!     layer::udp_over_tcp::UdpOverTcpLayer,
//!     proto::{Command, UdpOverTcp},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let stack = ServiceBuilder::new()
//!     .layer(UdpOverTcpLayer::new())
//!     .service(service_fn(async |request: Request| Ok::<_, BoxError>(request)));
//!
//! let asked = Request::new(Command::CONNECT, "sp.v2.udp-over-tcp.arpa:0".parse()?);
//! let request = stack.oneshot(asked).await?;
//! assert_eq!(request.command, Command::UDP_ASSOCIATE);
//! assert_eq!(request.extensions.get(), Some(&UdpOverTcp::V2));
//! # Ok(())
//! # }
//! ```
//!
//! [`UdpOverTcp`]: crate::proto::UdpOverTcp
//! [`UdpOverTcp::V1`]: crate::proto::UdpOverTcp::V1

mod layer;

pub use self::layer::{UdpOverTcpLayer, UdpOverTcpService};
