//! From where connections and datagrams leave this machine.

mod chosen;
mod family;
mod leaving;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use socket2::SockRef;

pub use self::family::Family;
use self::leaving::by_interface;
pub(super) use self::{chosen::ChosenOutgoing, leaving::leaving};

use crate::{datagram::BatchSocket, proto::unmapped, session::Request};

/// From where connections and datagrams leave this machine: its addresses, an interface, the families that are used.
///
/// [`Direct`](super::direct::Direct::outgoing), [`Bind`](super::bind::Bind::outgoing) and
/// [`MakeDirect`](super::associate::MakeDirect::outgoing) take one, or a function that has one for each request.
/// By default the system chooses.
///
/// ```
/// use tower_socks::connector::{Family, Outgoing, direct::Direct};
///
/// let outgoing = Outgoing::new()
///     .address("127.0.0.9".parse()?)
///     .family(Family::Ipv4);
/// outgoing.check()?; // this machine has the address
/// let guests = Outgoing::new().address("127.0.0.8".parse()?);
/// let direct = Direct::new().outgoing_by(move |request| {
///     let identity = request.map(|request| &request.identity);
///     match identity.is_some_and(|identity| identity.name().is_some()) {
///         true => outgoing.clone(),
///         false => guests.clone(),
///     }
/// });
/// # let _ = direct;
/// # Ok::<(), tower_socks::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    is_as_reached: bool,
    /// The address that the client came to, once the request is known.
    reached: Option<IpAddr>,
    interface: Option<Arc<str>>,
    family: Family,
}

/// Where a socket towards a target is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    Here(IpAddr),
    /// Wherever the route begins.
    Anywhere,
    /// The family of the target is not used.
    Nowhere,
}

impl Outgoing {
    /// Leaves everything to the system.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v4: None,
            v6: None,
            is_as_reached: false,
            reached: None,
            interface: None,
            family: Family::Both,
        }
    }

    /// Leaves from this address of the machine, at any port. Call it once for each family; a family without
    /// an address is not used while the other one has one (reply 08 where nothing is left).
    #[must_use]
    pub const fn address(mut self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.v4 = Some(address),
            IpAddr::V6(address) => self.v6 = Some(address),
        }
        self
    }

    /// Leaves from the address that the client came to, [`Request::local`]. It goes before an
    /// [`address`](Self::address) of its family, and is the only one of its family.
    ///
    /// An address of the loopback is used towards the loopback alone, and one of a link, or none, as that of a client on
    /// a Unix socket, not at all: then everything is as without this. Where a PROXY header says which address that was, this
    /// machine has to have it.
    #[must_use]
    pub const fn as_reached(mut self) -> Self {
        self.is_as_reached = true;
        self
    }

    /// Leaves by this interface, such as `eth1`, whatever routes by others there are. Linux only; before
    /// Linux 5.7 it takes the capability `CAP_NET_RAW`.
    #[must_use]
    pub fn interface(mut self, name: impl Into<Arc<str>>) -> Self {
        self.interface = Some(name.into());
        self
    }

    /// Sets the families that are used. Addresses of another one are passed over: reply 08 where nothing is left.
    #[must_use]
    pub const fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Tries whether this machine has the addresses and the interface, by sockets that send nothing. The address that a
    /// client came to is not known yet.
    ///
    /// # Errors
    ///
    /// When one of them cannot be used, or no family is left. The text says which.
    pub fn check(&self) -> io::Result<()> {
        let addresses = [self.v4.map(IpAddr::V4), self.v6.map(IpAddr::V6)];
        let mut stated = addresses.into_iter().flatten().peekable();
        let has_address = stated.peek().is_some();
        let mut is_used = !has_address || self.is_as_reached;
        for address in stated {
            UdpSocket::bind((address, 0)).map_err(|error| leaving(address, error))?;
            is_used |= self.family.includes(address);
        }
        if !is_used {
            let problem = "the family that alone is used has no address to leave from";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let any = match self.family {
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        match &self.interface {
            Some(_) => self.bind_interface(SockRef::from(&UdpSocket::bind((any, 0))?)),
            None => Ok(()),
        }
    }

    /// The same for one request, of which the address is known that the client came to.
    fn for_request(mut self, request: Option<&Request>) -> Self {
        if self.is_as_reached
            && let Some(request) = request
        {
            let local = unmapped(request.local).ip();
            let is_of_link = match local {
                IpAddr::V4(ip) => ip.is_link_local(),
                IpAddr::V6(ip) => ip.is_unicast_link_local(),
            };
            self.reached = (!local.is_unspecified() && !is_of_link).then_some(local);
        }
        self
    }

    /// The same for sockets that are used for targets of all kinds.
    pub(super) fn for_any_target(mut self) -> Self {
        self.reached = self.reached.filter(|address| !address.is_loopback());
        self
    }

    pub(super) const fn order(&self) -> Family {
        self.family
    }

    fn departure(&self, target: IpAddr) -> Departure {
        if !self.family.includes(target) {
            return Departure::Nowhere;
        }
        let usable = |address: &IpAddr| !address.is_loopback() || target.is_loopback();
        let reached = self.reached.filter(usable);
        let of_family = |is_ipv4: bool| {
            let stated = match is_ipv4 {
                true => self.v4.map(IpAddr::V4),
                false => self.v6.map(IpAddr::V6),
            };
            reached
                .filter(|address| address.is_ipv4() == is_ipv4)
                .or(stated)
        };
        match (of_family(target.is_ipv4()), of_family(!target.is_ipv4())) {
            (Some(address), _) => Departure::Here(address),
            (None, Some(_)) => Departure::Nowhere,
            (None, None) => Departure::Anywhere,
        }
    }

    /// Whether a target can be gone to. Where only one family has a local address, the other one
    /// is not used, or it would leave from an address that nobody has chosen.
    pub(super) fn reaches(&self, target: IpAddr) -> bool {
        self.departure(target) != Departure::Nowhere
    }

    /// The address to leave from towards a target, if it is not for the system to choose.
    pub(super) fn address_towards(&self, target: IpAddr) -> Option<IpAddr> {
        match self.departure(target) {
            Departure::Here(address) => Some(address),
            Departure::Anywhere | Departure::Nowhere => None,
        }
    }

    /// Opens a socket for datagrams to destinations of the family of `target`.
    pub(super) fn datagrams_towards(&self, target: SocketAddr) -> io::Result<BatchSocket> {
        let local = bound_towards(target, self);
        BatchSocket::bind_with(local, |socket| self.bind_interface(socket)).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AddrNotAvailable if error.raw_os_error().is_some() => {
                    leaving(local.ip(), error)
                }
                _ => error,
            }
        })
    }

    /// Binds a socket to the interface, if there is one.
    pub(super) fn bind_interface(&self, socket: SockRef<'_>) -> io::Result<()> {
        match &self.interface {
            None => Ok(()),
            Some(name) => bind_to(&socket, name).map_err(|error| by_interface(name, error)),
        }
    }
}

#[cfg(target_os = "linux")]
fn bind_to(socket: &SockRef<'_>, interface: &str) -> io::Result<()> {
    socket.bind_device(Some(interface.as_bytes()))
}

#[cfg(not(target_os = "linux"))]
fn bind_to(_: &SockRef<'_>, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The address that a socket towards a target is bound to.
fn bound_towards(target: SocketAddr, outgoing: &Outgoing) -> SocketAddr {
    let any = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let address = outgoing.address_towards(target.ip());
    SocketAddr::new(address.unwrap_or(any), 0)
}
