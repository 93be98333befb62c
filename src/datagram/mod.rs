//! Datagrams: batches, transports that send and receive them, fragments and sockets.
//!
//! [`Datagrams`] is a batch in order, each datagram with its address. A [`DatagramTransport`] sends
//! and receives batches: for UDP what a target's stream is for TCP. Both are shared by the
//! [`associate`](crate::connector::associate) connector, by an
//! [upstream](crate::connector::upstream) and by the [client](crate::client).
//!
//! A service whose response is a transport stands inside
//! [`Associate`](crate::connector::associate::Associate), and what is to be done with datagrams is
//! done to its response. A filter is a closure:
//!
//! ```
//! use tower::ServiceExt;
//! use tower_socks::{Connector, connector::associate::{Associate, MakeDirect}};
//! use tower_socks::datagram::DatagramTransport;
//!
//! // No DNS, and nothing that a tunnel with a small MTU would have to fragment.
//! let transports = MakeDirect::new().map_response(|transport| {
//!     transport.filter(|_, address, payload| address.port() != 53 && payload.len() <= 1_200)
//! });
//! let connector = Connector::direct().with_associate(Associate::with_transports(transports));
//! # let _ = tower::ServiceBuilder::new()
//! #     .layer(tower_socks::AuthLayer::new(tower_socks::NoAuth))
//! #     .service(connector);
//! ```
//!
//! A transport that does more implements the trait: see [there](DatagramTransport). A batch is
//! handled in one call, and its buffers belong to the thread; what a transport could not send yet
//! it keeps in an allocation of its own until there is room.

mod batch_socket;
mod calls;
mod datagrams;
mod filter;
mod fragments;
mod frames;
mod own_relays;
mod receive_errors;
mod send;
mod socket_options;
mod transport;

pub(crate) use self::{
    batch_socket::BatchSocket,
    datagrams::is_unicast,
    fragments::Fragments,
    frames::{FrameReader, FrameWriter, Framed, cut, malformed},
    own_relays::{OwnRelay, is_own_relay},
    send::{poll_send_all, poll_send_front},
};
pub use self::{
    datagrams::Datagrams,
    filter::{FilterResult, FilterTransport},
    transport::DatagramTransport,
};
