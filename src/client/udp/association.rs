use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    client::{ClientError, bnd::plain},
    datagram::{BatchSocket, is_unicast},
    proto::Address,
};

/// Where datagrams come from.
#[derive(Debug)]
pub(in crate::client) struct Local {
    /// `None` is for any address of the relay's family, once that is known.
    socket: Option<BatchSocket>,
    told: SocketAddr,
}

impl Local {
    /// Anywhere.
    pub(in crate::client) const fn any() -> Self {
        Self {
            socket: None,
            told: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        }
    }

    /// From this address.
    pub(in crate::client) fn bind(local: SocketAddr) -> Result<Self, ClientError> {
        let socket = BatchSocket::bind(local).map_err(ClientError::Socket)?;
        Ok(Self {
            told: socket.local_addr().map_err(ClientError::Socket)?,
            socket: Some(socket),
        })
    }

    /// DST of the request: zeros, as far as it is not known.
    pub(in crate::client) const fn told(&self) -> SocketAddr {
        self.told
    }
}

/// The proxy's relay, and our socket towards it.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) socket: BatchSocket,
    pub(super) address: SocketAddr,
    ended: AtomicBool,
}

impl Relay {
    /// A socket for the datagrams of the relay at `bound` and of nobody else.
    pub(super) fn open(local: Local, bound: Address) -> Result<Self, ClientError> {
        // A name that is an address in disguise is as good as one.
        let address = match bound.clone().canonical() {
            Ok(Address::Ip(address)) => address,
            Ok(Address::Name(..)) | Err(_) => return Err(ClientError::NoRelay(bound)),
        };
        if !is_unicast(address) {
            return Err(ClientError::NoRelay(bound));
        }
        let open = || {
            let socket = match local.socket {
                Some(socket) => socket,
                None => BatchSocket::towards(address)?,
            };
            socket.connect(address)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(ClientError::Socket)?,
            address,
            ended: AtomicBool::new(false),
        })
    }

    /// Whether a datagram is the relay's. The socket sees to that, but for what came before it was
    /// connected.
    pub(super) fn sent(&self, source: SocketAddr) -> bool {
        let source = plain(source);
        (source.ip(), source.port()) == (self.address.ip(), self.address.port())
    }

    /// The association is over, which the half that sends has to know too.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}
