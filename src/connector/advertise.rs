//! Binds sockets for peers and clients, and advertises their addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use super::port_range::{PortRange, TakenPort};
use crate::{error::Refusal, proto::ReplyCode};

/// Ports of the range that are tried where somebody else than we has taken them. Each costs a few system
/// calls that never wait, and all of them 0.2 ms, so they need no thread of their own.
const TRIES: usize = 64;

/// The ports that sockets are bound to, and the address that is advertised, as BND.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// Advertised instead of the address that is bound: that of a NAT or of a container's host.
    pub(super) public: Option<IpAddr>,
    pub(super) ports: PortRange,
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
    pub(super) fn new() -> Self {
        Self {
            public: None,
            ports: PortRange::new(0..=0),
        }
    }

    /// Opens a socket on `local`, whatever its port, with `open`.
    ///
    /// # Errors
    ///
    /// A refusal with 01 when no port is free.
    pub(super) fn open<T>(
        &self,
        local: SocketAddr,
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
        let advertised = self.public.unwrap_or(bound.ip());
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
