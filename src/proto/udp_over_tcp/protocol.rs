use super::Framing;
use crate::proto::{Address, Command, DomainName};

/// A protocol that carries datagrams in a TCP stream.
///
/// None of them is in an RFC. The first two are the ones of sing-box, and need nothing of the protocol that
/// opens the stream but a CONNECT, whose target is a name that stands for no host. The third is a command of its
/// own, of hev-socks5-server and hev-socks5-tunnel.
///
/// ```
/// use tower_socks::proto::{Address, Command, UdpOverTcp};
///
/// let target = Address::new("sp.v2.udp-over-tcp.arpa", 443)?;
/// assert_eq!(UdpOverTcp::of(Command::CONNECT, &target), Some(UdpOverTcp::V2));
/// assert_eq!(UdpOverTcp::of(Command::BIND, &target), None);
/// # Ok::<(), tower_socks::proto::InvalidName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UdpOverTcp {
    /// CONNECT to `sp.udp-over-tcp.arpa`: each frame has an address.
    V1,
    /// CONNECT to `sp.v2.udp-over-tcp.arpa`: a [request](super::UdpOverTcpRequest) in the stream says whether
    /// each frame has an address, or all go to one.
    V2,
    /// FWD UDP (X'05'): each frame has an address.
    ForwardUdp,
}

impl UdpOverTcp {
    /// Returns the protocol that a request asks for, if it asks for one. The port means nothing.
    #[must_use]
    pub fn of(command: Command, target: &Address) -> Option<Self> {
        match (command, target) {
            (Command::FORWARD_UDP, _) => Some(Self::ForwardUdp),
            (Command::CONNECT, Address::Name(name, _)) => [Self::V1, Self::V2]
                .into_iter()
                .find(|protocol| protocol.host() == Some(name.as_str())),
            _ => None,
        }
    }

    /// Returns the command of the request that asks for it.
    #[must_use]
    pub const fn command(self) -> Command {
        match self {
            Self::V1 | Self::V2 => Command::CONNECT,
            Self::ForwardUdp => Command::FORWARD_UDP,
        }
    }

    /// Returns the target of the request that asks for it. The port means nothing to who knows the name, and is 443:
    /// HTTP proxies reject port 0 (RFC 9110 section 9.3.6), and many any other.
    #[must_use]
    pub fn target(self) -> Address {
        let name = self.host().map(DomainName::from_normal);
        name.map_or(Address::UNSPECIFIED, |name| Address::Name(name, 443))
    }

    /// Returns the form of the frames, unless the [request](super::UdpOverTcpRequest) in the stream says it.
    pub(crate) const fn framing(self) -> Option<Framing> {
        match self {
            Self::V1 => Some(Framing::Addressed),
            Self::V2 => None,
            Self::ForwardUdp => Some(Framing::ForwardUdp),
        }
    }

    const fn host(self) -> Option<&'static str> {
        match self {
            Self::V1 => Some("sp.udp-over-tcp.arpa"),
            Self::V2 => Some("sp.v2.udp-over-tcp.arpa"),
            Self::ForwardUdp => None,
        }
    }
}
