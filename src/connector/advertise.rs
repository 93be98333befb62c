//! Binds sockets for peers and clients, and advertises their addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::atomic::{AtomicU16, Ordering},
};

use crate::{error::Refusal, proto::ReplyCode};

/// Where the next search for a port begins, so that ports are not used again at once.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// The ports that sockets are bound to, and the address that is advertised, as BND.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// Advertised instead of the address that is bound: that of a NAT or of a container's host.
    pub(super) public: Option<IpAddr>,
    /// 0 is any port that the system has free.
    pub(super) ports: RangeInclusive<u16>,
}

impl Endpoint {
    /// Advertises the address that is bound, with any port.
    pub(super) const fn new() -> Self {
        Self {
            public: None,
            ports: 0..=0,
        }
    }

    /// Opens a socket on `local` with `open`, and returns the address to advertise.
    ///
    /// # Errors
    ///
    /// A refusal with 01 when no port is free.
    pub(super) fn open<T>(
        &self,
        local: SocketAddr,
        open: impl Fn(SocketAddr) -> io::Result<T>,
        address: impl Fn(&T) -> io::Result<SocketAddr>,
    ) -> Result<(T, SocketAddr), Refusal> {
        let opened = self.first_free(|port| {
            // With its scope, where it is link-local.
            let mut local = local;
            local.set_port(port);
            let socket = open(local)?;
            let bound = address(&socket)?;
            Ok((socket, bound))
        });
        let (socket, bound) = opened.map_err(|error| {
            Refusal::new(
                ReplyCode::GENERAL_FAILURE,
                format!("no port on {} to be reached at", local.ip()),
            )
            .with_source(error)
        })?;
        let advertised = self.public.unwrap_or(bound.ip());
        Ok((socket, SocketAddr::new(advertised, bound.port())))
    }

    /// Opens a socket on the first port of the range where that succeeds.
    fn first_free<T>(&self, open: impl Fn(u16) -> io::Result<T>) -> io::Result<T> {
        let (first, last) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        let count = (last + 1).saturating_sub(first);
        let begin = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
        for step in 0..count {
            let port = first + (begin + step) % count;
            outcome = open(u16::try_from(port).unwrap_or_default());
            match &outcome {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                _ => return outcome,
            }
        }
        outcome
    }
}
