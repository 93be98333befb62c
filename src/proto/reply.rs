use std::{fmt, net::Ipv4Addr};

use super::{Address, Decode, Decoded, Encoded, Error, VERSION, reader::Reader};

/// A reply code (RFC 1928 section 6, REP).
///
/// X'09' to X'FF' are unassigned; a value in that range keeps its number. X'F0' to X'F7' are what Tor replies about
/// an onion service, to clients that want its extended errors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyCode(pub u8);

impl ReplyCode {
    /// X'00': succeeded.
    pub const SUCCEEDED: Self = Self(0x00);
    /// X'01': general SOCKS server failure.
    pub const GENERAL_FAILURE: Self = Self(0x01);
    /// X'02': connection not allowed by ruleset.
    pub const NOT_ALLOWED: Self = Self(0x02);
    /// X'03': network unreachable.
    pub const NETWORK_UNREACHABLE: Self = Self(0x03);
    /// X'04': host unreachable; also a name that has no address.
    pub const HOST_UNREACHABLE: Self = Self(0x04);
    /// X'05': connection refused.
    pub const CONNECTION_REFUSED: Self = Self(0x05);
    /// X'06': TTL expired, in practice: timed out.
    pub const TTL_EXPIRED: Self = Self(0x06);
    /// X'07': command not supported.
    pub const COMMAND_NOT_SUPPORTED: Self = Self(0x07);
    /// X'08': address type not supported.
    pub const ADDRESS_TYPE_NOT_SUPPORTED: Self = Self(0x08);

    /// X'F0': the descriptor of the onion service cannot be found. An extension of Tor's, as those up to X'F7'.
    pub const ONION_DESCRIPTOR_NOT_FOUND: Self = Self(0xf0);
    /// X'F1': the descriptor of the onion service is invalid.
    pub const ONION_DESCRIPTOR_INVALID: Self = Self(0xf1);
    /// X'F2': the introduction to the onion service failed.
    pub const ONION_INTRODUCTION_FAILED: Self = Self(0xf2);
    /// X'F3': the rendezvous with the onion service failed.
    pub const ONION_RENDEZVOUS_FAILED: Self = Self(0xf3);
    /// X'F4': the onion service wants an authorization of the client, and there is none.
    pub const ONION_AUTHORIZATION_MISSING: Self = Self(0xf4);
    /// X'F5': the authorization of the client for the onion service is wrong.
    pub const ONION_AUTHORIZATION_WRONG: Self = Self(0xf5);
    /// X'F6': the address of the onion service is invalid.
    pub const ONION_ADDRESS_INVALID: Self = Self(0xf6);
    /// X'F7': the introduction to the onion service timed out.
    pub const ONION_INTRODUCTION_TIMED_OUT: Self = Self(0xf7);

    /// Returns whether Tor says it about an onion service: X'F0' to X'F7'.
    pub(crate) const fn is_onion_service(self) -> bool {
        matches!(self.0, 0xf0..=0xf7)
    }

    /// Returns `true` for [`SUCCEEDED`](Self::SUCCEEDED).
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyCode({:#04x})", self.0)
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::SUCCEEDED => "succeeded",
            Self::GENERAL_FAILURE => "general SOCKS server failure",
            Self::NOT_ALLOWED => "connection not allowed by ruleset",
            Self::NETWORK_UNREACHABLE => "network unreachable",
            Self::HOST_UNREACHABLE => "host unreachable",
            Self::CONNECTION_REFUSED => "connection refused",
            Self::TTL_EXPIRED => "TTL expired",
            Self::COMMAND_NOT_SUPPORTED => "command not supported",
            Self::ADDRESS_TYPE_NOT_SUPPORTED => "address type not supported",
            Self::ONION_DESCRIPTOR_NOT_FOUND => "onion service descriptor not found",
            Self::ONION_DESCRIPTOR_INVALID => "onion service descriptor invalid",
            Self::ONION_INTRODUCTION_FAILED => "onion service introduction failed",
            Self::ONION_RENDEZVOUS_FAILED => "onion service rendezvous failed",
            Self::ONION_AUTHORIZATION_MISSING => "onion service wants a client authorization",
            Self::ONION_AUTHORIZATION_WRONG => "onion service client authorization wrong",
            Self::ONION_ADDRESS_INVALID => "onion service address invalid",
            Self::ONION_INTRODUCTION_TIMED_OUT => "onion service introduction timed out",
            Self(other) => return write!(f, "reply code {other:#04x}"),
        })
    }
}

/// The server's reply (RFC 1928 section 6).
///
/// ```text
/// +----+-----+-------+------+----------+----------+
/// |VER | REP |  RSV  | ATYP | BND.ADDR | BND.PORT |
/// +----+-----+-------+------+----------+----------+
/// | 1  |  1  | X'00' |  1   | Variable |    2     |
/// +----+-----+-------+------+----------+----------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// REP.
    pub code: ReplyCode,
    /// BND.ADDR and BND.PORT. A decoded reply may carry a name; a server sends one to RESOLVE_PTR only.
    pub bound: Address,
}

impl Reply {
    /// Creates a failure reply: BND is `0.0.0.0:0`, since nothing was bound.
    #[must_use]
    pub const fn failure(code: ReplyCode) -> Self {
        Self {
            code,
            bound: Address::UNSPECIFIED,
        }
    }

    /// Encodes the frame as a server sends it.
    ///
    /// Clients in the field cannot read a name as BND, so a name becomes `0.0.0.0` with its port. The reply to
    /// RESOLVE_PTR is encoded [with its name](Self::encode_with_name).
    #[must_use]
    pub fn encode(&self) -> Encoded<22> {
        let frame = self.head();
        match &self.bound {
            Address::Ip(_) => self.bound.append_to(frame),
            Address::Name(_, port) => {
                Address::Ip((Ipv4Addr::UNSPECIFIED, *port).into()).append_to(frame)
            }
        }
    }

    /// Encodes the frame as it is, with the name that it may have as BND: what a client of RESOLVE_PTR has asked
    /// for.
    ///
    /// ```
    /// use tower_socks::proto::{Reply, ReplyCode};
    ///
    /// let reply = Reply { code: ReplyCode::SUCCEEDED, bound: "example.com:0".parse()? };
    /// assert_eq!(*reply.encode_with_name(), *b"\x05\x00\x00\x03\x0bexample.com\x00\x00");
    /// assert_eq!(*reply.encode(), *b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00");
    /// # Ok::<(), tower_socks::proto::ParseAddressError>(())
    /// ```
    #[must_use]
    pub fn encode_with_name(&self) -> Encoded<{ Self::MAX_LEN }> {
        self.bound.append_to(self.head())
    }

    fn head<const N: usize>(&self) -> Encoded<N> {
        Encoded::new().push(&[VERSION, self.code.0, 0])
    }
}

impl Decode for Reply {
    const MAX_LEN: usize = 262;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 3 + Address::SHORTEST, |reader| {
            reader.version(VERSION)?;
            let [code, _reserved] = reader.array()?;
            Ok(Self {
                code: ReplyCode(code),
                bound: reader.address()?,
            })
        })
    }
}
