//! Clients of shadowsocks, in front of a stack of tower-socks.
//!
//! ```text
//! Accepted<Io> --ShadowsocksLayer--> Request --\
//!                                               >-- policies, limits, .. --> Connector
//! UDP socket ----serve_datagrams---> Request --/
//! ```
//!
//! A stream says in its first octets where it leads: that is a CONNECT. Datagrams have no connection, but name
//! their session: that is a UDP ASSOCIATE, whose datagrams go through the stack in frames, as UDP over TCP has them.
//! So both go through one `Service<Request>`, and all that stands in it (policies, limits, quotas, spans, metrics) takes
//! them for what they are, with the user's name as [identity](tower_socks::Request::identity).
//!
//! * **Nobody hears anything who has no key.** A connection whose first octets are not what they should be, or were
//!   seen before, is read until the time for them is over, and then closed; a datagram is dropped.
//! * **A refusal has no words** in shadowsocks: the stream ends, the datagram is dropped. The log has why.

mod carry;
mod datagrams;
mod known;
mod layer;
mod session;
mod stack;
mod stream;

pub use self::{
    datagrams::serve_datagrams,
    known::Bounds,
    layer::{Shadowsocks, ShadowsocksLayer},
    stack::{run, stack},
};
