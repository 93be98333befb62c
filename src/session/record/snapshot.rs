use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Destinations, End, SessionId};
use crate::{
    proto::{Address, Command, ReplyCode, UdpOverTcp},
    relay::Traffic,
    session::{Identity, Protocol},
};

/// A request of HTTP that is forwarded to its origin, without a tunnel of the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarded {
    /// The method.
    pub method: Box<str>,
    /// The path, without the query, which may have secrets in it: its first 4,096 characters.
    pub path: Box<str>,
    /// The status of the origin's response, once there is one.
    pub status: Option<u16>,
}

/// What is known of a session, or of one of its requests, at the moment at which a [`Sink`](super::Sink) gets it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// The session.
    pub session: SessionId,
    /// The number of the request in its session, from 1; 0 where there was none. A connection of HTTP can have many,
    /// each with a record of its own.
    pub request: u64,
    /// When the connection was accepted, by this machine's clock.
    pub accepted: SystemTime,
    /// When the request was complete; when the connection was accepted, where there was none.
    pub started: SystemTime,
    /// The protocol, once it is known.
    pub protocol: Option<Protocol>,
    /// The name of the listener, where it [has one](crate::layer::record::RecordSessionsLayer::listener).
    pub listener: Option<Arc<str>>,
    /// The client's address: behind load balancers the one that their header says.
    pub client: SocketAddr,
    /// The address on which the client reached us; `0.0.0.0:0` where the transport has none.
    pub local: SocketAddr,
    /// Who the client is; anonymous before it has authenticated.
    pub identity: Identity,
    /// The name that was tried in an attempt to log in that failed, as the client sent it.
    pub tried: Option<Box<[u8]>>,
    /// The command of the request.
    pub command: Option<Command>,
    /// The protocol that carries the datagrams in the client's stream, where it is such an association.
    pub udp_over_tcp: Option<UdpOverTcp>,
    /// The target, as stated.
    pub target: Option<Address>,
    /// What is forwarded, where it is a request of HTTP other than CONNECT.
    pub forwarded: Option<Forwarded>,
    /// The address that was dialled; `None` where an upstream resolves the target's name.
    pub dialled: Option<SocketAddr>,
    /// The upstream through which it was reached, where a layer has [named](crate::Request::routed) one.
    pub upstream: Option<Arc<str>>,
    /// BND.ADDR and BND.PORT, once the request has been executed.
    pub bound: Option<Address>,
    /// The code of the reply: of SOCKS5 whatever the protocol is.
    pub reply_code: Option<ReplyCode>,
    /// The time from the request to its outcome.
    pub dial: Option<Duration>,
    /// The payload that was moved, in octets.
    pub traffic: Traffic,
    /// Datagrams from the client and to it.
    pub datagrams: Traffic,
    /// Datagrams that were dropped.
    pub datagrams_dropped: u64,
    /// Where the datagrams of an association went.
    pub destinations: Option<Destinations>,
    /// The time since [`started`](Self::started).
    pub duration: Duration,
    /// How it ended; `None` while it has not.
    pub end: Option<End>,
}
