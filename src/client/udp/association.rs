use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{client::ClientError, datagram::BatchSocket, proto::unmapped};

/// The socket that datagrams are sent from, and what the request states of it.
#[derive(Debug)]
pub(super) struct LocalSocket {
    /// `None` is for any address of the relay's family, once that is known.
    socket: Option<BatchSocket>,
    stated: SocketAddr,
}

impl LocalSocket {
    /// Leaves address and port to the system.
    pub(super) const fn any() -> Self {
        Self {
            socket: None,
            stated: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        }
    }

    /// Binds to an address.
    pub(super) fn bind(local: SocketAddr) -> Result<Self, ClientError> {
        let socket = BatchSocket::bind(local).map_err(ClientError::Socket)?;
        Ok(Self {
            stated: socket.local_addr().map_err(ClientError::Socket)?,
            socket: Some(socket),
        })
    }

    /// Returns DST of the request: zeros, as far as the address is not known.
    pub(super) const fn stated(&self) -> SocketAddr {
        self.stated
    }
}

/// The address of the proxy's relay, and our socket towards it.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) socket: BatchSocket,
    pub(super) relay: SocketAddr,
    ended: AtomicBool,
}

impl Association {
    /// Opens a socket for the datagrams of `relay` and no others.
    pub(super) fn open(local: LocalSocket, relay: SocketAddr) -> Result<Self, ClientError> {
        let open = || {
            let mut socket = match local.socket {
                Some(socket) => socket,
                None => BatchSocket::towards(relay)?,
            };
            socket.connect(relay)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(ClientError::Socket)?,
            relay,
            ended: AtomicBool::new(false),
        })
    }

    /// Whether a datagram from `source` is the relay's. The connected socket receives no others, but
    /// for those that arrived before it was connected.
    pub(super) fn is_relay(&self, source: SocketAddr) -> bool {
        let source = unmapped(source);
        (source.ip(), source.port()) == (self.relay.ip(), self.relay.port())
    }

    /// Marks the association as over, for the half that sends.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}
