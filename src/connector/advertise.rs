//! Binds sockets for peers and clients, and advertises their addresses.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{
    out_of_reach::is_out_of_reach,
    port_range::{PortRange, TakenPort},
};
use crate::{admission::LogBudget, error::Refusal, proto::ReplyCode};

/// Ports of the range that are tried where somebody else than we has taken them. Each costs a few system
/// calls that never wait, and all of them 0.2 ms, so they need no thread of their own.
const TRIES: usize = 64;

/// The ports that sockets are bound to, and the address that is advertised, as BND.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// Advertised instead of the address that is bound: that of a NAT or of a container's host.
    public: PublicAddresses,
    pub(super) ports: PortRange,
    /// What it is for, as the log calls it.
    what: &'static str,
    /// Bounds the lines about addresses that nobody can reach. Clones share it.
    lines: Arc<LogBudget>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PublicAddresses {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl PublicAddresses {
    /// The one of the family that is bound. The other one only where nobody outside could reach what is bound: a
    /// forwarder may change the family as well.
    fn instead_of(self, bound: IpAddr) -> Option<IpAddr> {
        let (v4, v6) = (self.v4.map(IpAddr::V4), self.v6.map(IpAddr::V6));
        let (same, other) = match bound {
            IpAddr::V4(_) => (v4, v6),
            IpAddr::V6(_) => (v6, v4),
        };
        same.or_else(|| other.filter(|other| is_out_of_reach(bound, *other)))
    }
}

/// A socket that was opened.
#[derive(Debug)]
pub(super) struct Opened<T> {
    pub(super) socket: T,
    /// The address to advertise.
    pub(super) address: SocketAddr,
    /// To be kept for as long as the socket.
    pub(super) port: Option<TakenPort>,
}

impl Endpoint {
    /// Advertises the address that is bound, with any port.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            public: PublicAddresses::default(),
            ports: PortRange::new(0..=0),
            what,
            lines: Arc::new(LogBudget::new(1, Duration::from_secs(3600))),
        }
    }

    /// Advertises this one, where its family is bound.
    pub(super) const fn add_public(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.public.v4 = Some(address),
            IpAddr::V6(address) => self.public.v6 = Some(address),
        }
    }

    /// Says what to set where `peer` is to come to an address that it most likely cannot reach.
    fn hint(&self, told: IpAddr, peer: IpAddr) {
        if is_out_of_reach(told, peer)
            && let Some(suppressed) = self.lines.take()
        {
            tracing::warn!(
                %peer, %told, suppressed = suppressed.field(),
                "{} tells an address that its peer most likely cannot reach: set `public_address` for it to that at which \
                 others reach this server, and `ports` to those that are forwarded from there",
                self.what,
            );
        }
    }

    /// Opens a socket on `local`, whatever its port, with `open`, for a peer to come to.
    ///
    /// # Errors
    ///
    /// A refusal with 01 when no port is free.
    pub(super) fn open<T>(
        &self,
        local: SocketAddr,
        peer: IpAddr,
        open: impl Fn(SocketAddr) -> io::Result<T>,
        address: impl Fn(&T) -> io::Result<SocketAddr>,
    ) -> Result<Opened<T>, Refusal> {
        let opened = self.first_free(|port| {
            // With its scope, where it is link-local.
            let mut local = local;
            local.set_port(port);
            let socket = open(local)?;
            let bound = address(&socket)?;
            Ok((socket, bound))
        });
        let ((socket, bound), port) = opened.map_err(|error| {
            Refusal::new(
                ReplyCode::GENERAL_FAILURE,
                format!("no port on {} to be reached at", local.ip()),
            )
            .with_source(error)
        })?;
        let advertised = match self.public.instead_of(bound.ip()) {
            Some(public) => public,
            None => {
                self.hint(bound.ip(), peer);
                bound.ip()
            }
        };
        Ok(Opened {
            socket,
            address: SocketAddr::new(advertised, bound.port()),
            port,
        })
    }

    /// Opens a socket on the first port of the range where that succeeds.
    fn first_free<T>(
        &self,
        open: impl Fn(u16) -> io::Result<T>,
    ) -> io::Result<(T, Option<TakenPort>)> {
        if self.ports.is_any() {
            return Ok((open(0)?, None));
        }
        let mut outcome = io::ErrorKind::AddrNotAvailable.into();
        // Kept meanwhile, so that none is tried twice.
        let mut others = Vec::new();
        while others.len() < TRIES
            && let Some(port) = self.ports.take()
        {
            match open(port.number()) {
                Ok(socket) => return Ok((socket, Some(port))),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    outcome = error;
                    others.push(port);
                }
                Err(error) => return Err(error),
            }
        }
        Err(outcome)
    }
}
