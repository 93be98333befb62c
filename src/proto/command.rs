use std::fmt;

/// A command (RFC 1928 section 4, CMD).
///
/// Commands that RFC 1928 does not define are values too: a service that executes one can be put
/// behind the handshake, and [`Connector`](crate::Connector) refuses the rest with 07.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command(pub u8);

impl Command {
    /// X'01': a stream to the target.
    pub const CONNECT: Self = Self(0x01);
    /// X'02': a stream from the target.
    pub const BIND: Self = Self(0x02);
    /// X'03': a relay for datagrams.
    pub const UDP_ASSOCIATE: Self = Self(0x03);
    /// X'05', FWD UDP: datagrams in the stream. An extension of hev's: see [`UdpOverTcp`](super::UdpOverTcp).
    pub const FORWARD_UDP: Self = Self(0x05);
    /// X'F0': the address of a name. An extension of Tor's.
    pub const RESOLVE: Self = Self(0xf0);
    /// X'F1': the name of an address. An extension of Tor's.
    pub const RESOLVE_PTR: Self = Self(0xf1);
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({self})")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CONNECT => f.write_str("CONNECT"),
            Self::BIND => f.write_str("BIND"),
            Self::UDP_ASSOCIATE => f.write_str("UDP ASSOCIATE"),
            Self::FORWARD_UDP => f.write_str("FWD UDP"),
            Self::RESOLVE => f.write_str("RESOLVE"),
            Self::RESOLVE_PTR => f.write_str("RESOLVE PTR"),
            Self(other) => write!(f, "{other:#04x}"),
        }
    }
}
