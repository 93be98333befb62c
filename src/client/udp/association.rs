use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use socket2::SockRef;

use crate::{
    client::{ClientError, bnd::NearEnd},
    datagram::BatchSocket,
    io::{Sealer, Sealing},
    proto::unmapped,
};

/// The socket that datagrams are sent from, and what the request states of it.
#[derive(Debug)]
pub(super) struct LocalSocket {
    /// `None` until the relay is known.
    socket: Option<BatchSocket>,
    /// Where the stream to the proxy leaves from.
    near: Option<NearEnd>,
    stated: SocketAddr,
}

impl LocalSocket {
    /// Leaves the port to the system, and the address too, unless the relay has that of the proxy: then it is the one
    /// that the stream to the proxy leaves from.
    pub(super) const fn beside(near: Option<NearEnd>) -> Self {
        Self {
            socket: None,
            near,
            stated: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        }
    }

    /// Binds to an address.
    pub(super) fn bind(local: SocketAddr) -> Result<Self, ClientError> {
        let socket = BatchSocket::bind(local).map_err(ClientError::Socket)?;
        Ok(Self {
            stated: socket.local_addr().map_err(ClientError::Socket)?,
            socket: Some(socket),
            near: None,
        })
    }

    /// Returns DST of the request: zeros, as far as the address is not known.
    pub(super) const fn stated(&self) -> SocketAddr {
        self.stated
    }
}

#[cfg(target_os = "linux")]
fn bind_device(socket: &SockRef<'_>, near: &NearEnd) -> io::Result<()> {
    match &near.device {
        Some(device) => socket.bind_device(Some(device)),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn bind_device(_: &SockRef<'_>, _: &NearEnd) -> io::Result<()> {
    Ok(())
}

/// The largest datagram between us and the proxy, in octets (IPv4: 65,535 less the headers of IP and UDP).
const LARGEST: usize = 65_507;

struct Sealed(Arc<dyn Sealer>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

fn unprotected() -> io::Error {
    io::Error::other("the method of authentication cannot seal datagrams, and the stream is sealed")
}

/// The address of the proxy's relay, and our socket towards it.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) socket: BatchSocket,
    pub(super) relay: SocketAddr,
    /// What protects the datagrams; `None` where they travel in clear.
    sealer: Option<Sealed>,
    ended: AtomicBool,
}

impl Association {
    /// Opens a socket for the datagrams of `relay` and no others.
    pub(super) fn open(
        local: LocalSocket,
        relay: SocketAddr,
        sealing: Sealing,
    ) -> Result<Self, ClientError> {
        let sealer = match sealing {
            Sealing::Clear => None,
            Sealing::Sealed(sealer) => Some(Sealed(sealer)),
            Sealing::Impossible => return Err(ClientError::Socket(unprotected())),
        };
        let open = || {
            let near = local.near.filter(|near| near.proxy == relay.ip());
            let mut socket = match (local.socket, near) {
                (Some(socket), _) => socket,
                (None, Some(near)) => {
                    let mut address = near.local;
                    address.set_port(0);
                    BatchSocket::bind_with(address, |socket| bind_device(&socket, &near))?
                }
                (None, None) => BatchSocket::towards(relay)?,
            };
            socket.connect(relay)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(ClientError::Socket)?,
            relay,
            sealer,
            ended: AtomicBool::new(false),
        })
    }

    /// Returns the octets of the longest datagram, with its header.
    pub(super) fn longest(&self) -> usize {
        self.sealer
            .as_ref()
            .map_or(LARGEST, |sealer| sealer.0.longest())
    }

    pub(super) fn sealer(&self) -> Option<&dyn Sealer> {
        self.sealer.as_ref().map(|sealer| &*sealer.0)
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
