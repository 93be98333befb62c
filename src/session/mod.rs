//! What flows through a stack, from the accepted connection to the tunnel.
//!
//! ```text
//! Accepted<Io>  --Handshake-->  Negotiation<Io>  --Auth-->  Session<W, S>
//!                                                             |
//!                               Traffic  <--run--  Tunnel  <--S--  Request
//! ```
//!
//! The types are plain data. A layer of your own reads and changes them: it may wrap
//! [`Accepted::io`] in TLS, add claims to a [`Request`]'s [`Extensions`], or wrap the [`Tunnel`]
//! that comes back to hold something for as long as bytes flow.

mod accepted;
mod answer;
mod arrival;
mod at_limit;
mod boxed;
mod connected;
mod datagrams;
mod extensions;
mod guard;
#[cfg(feature = "http")]
mod hyper;
mod identity;
mod negotiation;
mod policy;
mod reached;
mod request;
mod role;
mod send;
mod serde;
mod target;
mod tunnel;
mod wire;

#[cfg(feature = "metrics")]
pub(crate) use self::at_limit::LIMITS;
pub use self::{
    accepted::Accepted,
    boxed::BoxTunnel,
    connected::Connected,
    datagrams::{DatagramPath, Datagrams},
    extensions::Extensions,
    guard::Guard,
    identity::Identity,
    negotiation::{Negotiation, Session},
    policy::Policy,
    request::Request,
    role::{Dial, Negotiate},
    target::Target,
    tunnel::Tunnel,
    wire::{ReadError, Wire, read},
};
pub(crate) use self::{
    answer::{answer, refuse},
    arrival::{Arrival, Arrivals},
    at_limit::{AtLimit, held_back},
    datagrams::is_unicast,
    reached::Reached,
    send::{poll_send_all, poll_send_front},
};
