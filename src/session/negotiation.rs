use std::{fmt, net::SocketAddr};

use super::{Extensions, Identity};
use crate::proto::MethodSet;

/// A client that has sent its greeting and waits for the method selection (RFC 1928 section 3).
#[derive(Debug)]
#[non_exhaustive]
pub struct Negotiation<Io> {
    /// The client's stream, right behind the greeting or, for a method, behind the selection. Where the protocol
    /// has no sub-negotiation it is what the client [states](super::Stated) with its request.
    pub io: Io,
    /// METHODS: what the client offers; empty where it states who it is.
    pub offered: MethodSet,
    /// The client's address.
    pub peer: SocketAddr,
    /// The address on which the client reached us.
    pub local: SocketAddr,
    /// What layers learned about the connection.
    pub extensions: Extensions,
}

impl<Io> Negotiation<Io> {
    /// Creates a negotiation without extensions.
    pub fn new(io: Io, offered: MethodSet, peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            io,
            offered,
            peer,
            local,
            extensions: Extensions::new(),
        }
    }

    /// Replaces the stream, such as by one that wraps it.
    pub fn map_io<T>(self, wrap: impl FnOnce(Io) -> T) -> Negotiation<T> {
        Negotiation {
            io: wrap(self.io),
            offered: self.offered,
            peer: self.peer,
            local: self.local,
            extensions: self.extensions,
        }
    }
}

/// An authenticated client, and the service that will execute its request.
///
/// Authentication does not call the service that it wraps. It hands it over, as a make-service
/// does, so that the stream can change its type and authentication time is bounded apart from the
/// dial.
pub struct Authenticated<W, S> {
    /// The client's stream, right behind the sub-negotiation; an encapsulating one where the method
    /// asks for it. `()` for a client that has [stated](super::Stated) who it is.
    pub io: W,
    /// Who the client is.
    pub identity: Identity,
    /// What to call with the [`Request`](super::Request).
    pub service: S,
}

impl<W, S> fmt::Debug for Authenticated<W, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
