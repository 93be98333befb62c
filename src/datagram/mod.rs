//! Datagrams: batches of them, where they go and come from, and the sockets that carry them.
//!
//! Shared by the proxy's [`associate`](crate::connector::associate) connector, by the one through
//! an [upstream](crate::connector::upstream) and by the [client](crate::client). A
//! [`Datagrams`] is a batch in order, each datagram with its address; a [`DatagramTransport`] sends and
//! receives batches: for UDP what a target's stream is for TCP.

mod batch_socket;
mod datagrams;
mod fragments;
mod send;
mod socket_options;
mod transport;

pub(crate) use self::{
    batch_socket::BatchSocket,
    datagrams::is_unicast,
    fragments::Fragments,
    send::{poll_send_all, poll_send_front},
};
pub use self::{datagrams::Datagrams, transport::DatagramTransport};
