use std::{net::SocketAddr, time::Duration};

use tokio::time::Instant;

use super::{Draining, Extensions};

/// A connection that a listener accepted, before the first byte is read.
///
/// Layers above [`HandshakeLayer`](crate::HandshakeLayer) see and change this: a TLS layer replaces
/// [`io`](Self::io), a PROXY-protocol layer [`peer`](Self::peer).
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted<Io> {
    /// The client's stream.
    pub io: Io,
    /// The client's address. `0.0.0.0:0` where the transport has none, as on a Unix socket.
    pub peer: SocketAddr,
    /// The address on which the client reached us; `0.0.0.0:0` where the transport has none.
    pub local: SocketAddr,
    /// What layers learned about the connection. It reaches the [`Request`](super::Request).
    pub extensions: Extensions,
    /// When the first layer began to serve it.
    started: Option<Instant>,
    /// Tells when the server drains.
    draining: Draining,
}

impl<Io> Accepted<Io> {
    /// Creates a connection without extensions.
    pub fn new(io: Io, peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            io,
            peer,
            local,
            extensions: Extensions::new(),
            started: None,
            draining: Draining::default(),
        }
    }

    /// Replaces the stream, such as by one that wraps it.
    pub fn map_io<T>(self, wrap: impl FnOnce(Io) -> T) -> Accepted<T> {
        Accepted {
            io: wrap(self.io),
            peer: self.peer,
            local: self.local,
            extensions: self.extensions,
            started: self.started,
            draining: self.draining,
        }
    }

    /// Takes the stream out, for what may fail while everything else stays.
    #[cfg(feature = "tls")]
    pub(crate) fn take_io(self) -> (Io, Accepted<()>) {
        let Self {
            io,
            peer,
            local,
            extensions,
            started,
            draining,
        } = self;
        let rest = Accepted {
            io: (),
            peer,
            local,
            extensions,
            started,
            draining,
        };
        (io, rest)
    }

    /// Returns when the connection began to be served: by the first layer that asks, from inside its future. The
    /// deadlines of all layers run from there.
    pub(crate) fn started(&mut self) -> Instant {
        *self.started.get_or_insert_with(Instant::now)
    }

    /// Has the connection told when its server drains.
    pub(crate) fn drained_by(&mut self, draining: Draining) {
        self.draining = draining;
    }

    /// Returns what tells when the server drains.
    pub(crate) fn draining(&self) -> Draining {
        self.draining.clone()
    }

    /// Takes time out of what the deadlines count: the connection waited for us, and not we for its client.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.started = self
            .started
            .map(|started| started.checked_add(time).unwrap_or(started));
    }
}
