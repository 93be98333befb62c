//! UDP ASSOCIATE: a relay for datagrams (RFC 1928 sections 4, 6 and 7).
//!
//! [`Associate`] opens a UDP socket for each request, on the address on which the client reached
//! us, and tells the client to send there. A [`DatagramTransport`](crate::datagram::DatagramTransport)
//! sends what comes from the client, and what that receives is sent to the client under its true
//! source. The association ends with the TCP connection that asked for it.
//!
//! * **From the client only.** A datagram counts only if it comes from the client's address, and from
//!   the port that the request states, with this address or zeros (RFC 1928 section 7). Where it states
//!   none, the first valid datagram chooses the port, and another one may take its place once that is
//!   [silent](Associate::rebind_after). There is no socket without a request that was authenticated.
//! * **Filtered.** Datagrams come back from hosts that the client has sent to; [`Filtering`] has the
//!   choices, in the terms of RFC 4787.
//! * **The policy is asked about every destination**, as stated and as an address; its decision
//!   is kept for the association. Multicast, broadcast and port 0 are refused.
//! * **Never to ourselves.** Datagrams to a socket at which this process takes datagrams of clients are
//!   dropped, whatever the policy says, and so are those from one: associations that are each other's
//!   clients would feed each other for ever.
//! * **One bad datagram costs one datagram.** Garbage, unreachable and unknown destinations are
//!   dropped in silence, as the RFC has it. Names are looked up off the data path: nothing waits for
//!   a lookup but its own datagrams.
//! * **Whole or not at all.** Up to 65,507 octets less the header; nothing is cut. Fragments (FRAG)
//!   are reassembled, within bounds, or dropped on request.
//! * **In the stream**, where [`UdpOverTcpLayer`](crate::layer::udp_over_tcp::UdpOverTcpLayer) has turned the request
//!   into one for an association: then there is no socket for the client, BND is zeros, and its datagrams come and go
//!   in frames. Everything else is the same: destinations, filtering, limits, counts and what is dropped. Where frames
//!   have no address, only the one destination answers, whatever [`Filtering`] says; behind an upstream that resolves its
//!   name, that is any host that the upstream lets in with its port.
//! * **By batches.** Receiving and sending many datagrams takes one system call where the system can
//!   do that, and the buffers belong to the thread.
//!
//! Behind a NAT or in a container, set the address that clients are told to send to:
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use tower_socks::{Connector, connector::associate::Associate};
//!
//! let associate = Associate::new()
//!     .public_address(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)))
//!     .ports(40_000..=40_999);
//! let connector = Connector::direct().with_associate(associate);
//! ```
//!
//! One association, from the request to its end:
//!
//! ```
//! use tokio::net::UdpSocket;
//! use tower::ServiceExt;
//! use tower_socks::{
//!     Request, Tunnel, connector::associate::Associate, io::PrefixedStream,
//!     proto::{Address, Command},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let target = UdpSocket::bind("127.0.0.1:0").await?;
//! let client = UdpSocket::bind("127.0.0.1:0").await?;
//!
//! let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
//! request.peer = client.local_addr()?;
//! request.local = ([127, 0, 0, 1], 1080).into();
//! let association = Associate::new().oneshot(request).await?;
//!
//! let relay = association.bound().ip().unwrap();
//! let (control, near) = tokio::io::duplex(1);
//! let running = tokio::spawn(association.run(PrefixedStream::new(near)));
//!
//! let mut datagram = b"\0\0\0\x01\x7f\0\0\x01".to_vec(); // RSV, FRAG, ATYP, 127.0.0.1
//! datagram.extend(target.local_addr()?.port().to_be_bytes());
//! datagram.extend(b"ping");
//! client.send_to(&datagram, relay).await?;
//!
//! let mut heard = [0; 16];
//! let (len, _) = target.recv_from(&mut heard).await?;
//! assert_eq!(&heard[..len], b"ping");
//!
//! drop(control);
//! assert_eq!(running.await??.up, 4);
//! # Ok(())
//! # }
//! ```

mod client;
mod direct;
mod filtering;
mod future;
mod lifetime;
mod lookups;
mod make_direct;
mod relay;
mod service;
mod tunnel;

pub use self::{filtering::Filtering, make_direct::MakeDirect, service::Associate};
