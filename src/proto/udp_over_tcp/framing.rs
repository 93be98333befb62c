use crate::proto::{
    Address, Decoded, Encoded, Error, InvalidName,
    address::AddressTypes,
    reader::{Reader, Stop},
};

/// X'00' is IPv4, X'01' IPv6 and X'02' a name: unlike RFC 1928 section 5.
const ADDRESS_TYPES: AddressTypes = AddressTypes {
    ipv4: 0,
    ipv6: 1,
    name: 2,
};

/// The form of the frames in which datagrams travel in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// All datagrams have one destination. Of [`UdpOverTcp::V2`](super::UdpOverTcp).
    ///
    /// ```text
    /// +-----+----------+
    /// | LEN |   DATA   |
    /// +-----+----------+
    /// |  2  | Variable |
    /// +-----+----------+
    /// ```
    Connected,
    /// Of [`UdpOverTcp::V1`](super::UdpOverTcp) and [`V2`](super::UdpOverTcp).
    ///
    /// ```text
    /// +------+----------+------+-----+----------+
    /// | ATYP |   ADDR   | PORT | LEN |   DATA   |
    /// +------+----------+------+-----+----------+
    /// |  1   | Variable |  2   |  2  | Variable |      ATYP X'00': 4 octets of IPv4 address
    /// +------+----------+------+-----+----------+      ATYP X'01': 16 octets of IPv6 address
    ///                                                  ATYP X'02': 1 octet of length and the name
    /// ```
    Addressed,
    /// Of [`UdpOverTcp::ForwardUdp`](super::UdpOverTcp). HDRLEN counts everything up to DATA, and LEN counts DATA.
    ///
    /// ```text
    /// +-----+--------+------+----------+------+----------+
    /// | LEN | HDRLEN | ATYP |   ADDR   | PORT |   DATA   |
    /// +-----+--------+------+----------+------+----------+
    /// |  2  |   1    |  1   | Variable |  2   | Variable |      ATYP of RFC 1928 section 5
    /// +-----+--------+------+----------+------+----------+
    /// ```
    ForwardUdp,
}

/// What stands in front of the payload in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The destination of the payload (from the client) or its source (to the client); `None` in a
    /// [connected](Framing::Connected) stream. A name that cannot be a host's is an error of this datagram
    /// alone: where the next frame begins is known.
    pub address: Option<Result<Address, InvalidName>>,
    /// LEN: octets of the payload.
    pub len: u16,
}

impl Framing {
    /// The octets of the longest header.
    pub const MAX_HEADER: usize = 262;

    /// What a frame of FWD UDP may have behind HDRLEN, in octets: the buffers of its programs are no larger.
    const FORWARD_UDP_LARGEST: usize = 1_500;

    /// Encodes the header of a payload of `len` octets. `None` where that does not fit into a frame: LEN has 16
    /// bits, HDRLEN 8, and programs that speak FWD UDP take 1,500 octets with the address.
    #[must_use]
    pub fn encode_header(
        self,
        address: &Address,
        len: usize,
    ) -> Option<Encoded<{ Self::MAX_HEADER }>> {
        let octets = u16::try_from(len).ok()?.to_be_bytes();
        let header = Encoded::new();
        Some(match self {
            Self::Connected => header.push(&octets),
            Self::Addressed => address.append_as(ADDRESS_TYPES, header).push(&octets),
            Self::ForwardUdp => {
                let header_len = Self::FORWARD_UDP_FIXED + address.encoded_len();
                let fits = header_len - Self::FORWARD_UDP_FIXED + len <= Self::FORWARD_UDP_LARGEST;
                let header_len = u8::try_from(header_len).ok().filter(|_| fits)?;
                address.append_to(header.push(&octets).push(&[header_len]))
            }
        })
    }

    /// Returns the largest payload that fits into a frame with this address, in octets: 0 as well where the
    /// address does not fit, which is a name of more than 248 octets in [`ForwardUdp`](Self::ForwardUdp).
    #[must_use]
    pub fn max_payload(self, address: &Address) -> usize {
        /// What fits into a datagram of UDP over IPv4.
        const LARGEST: usize = 65_507;
        match self {
            Self::Connected | Self::Addressed => LARGEST,
            Self::ForwardUdp if !self.fits(address) => 0,
            Self::ForwardUdp => Self::FORWARD_UDP_LARGEST - address.encoded_len(),
        }
    }

    /// Whether this address fits into a frame: HDRLEN has 8 bits.
    pub(crate) fn fits(self, address: &Address) -> bool {
        match self {
            Self::Connected | Self::Addressed => true,
            Self::ForwardUdp => {
                u8::try_from(Self::FORWARD_UDP_FIXED + address.encoded_len()).is_ok()
            }
        }
    }

    /// LEN and HDRLEN.
    const FORWARD_UDP_FIXED: usize = 3;

    /// Decodes the header of a frame from the front of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error`] when the bytes are no header, and so where the next frame begins is not known.
    pub fn decode_header(self, bytes: &[u8]) -> Result<Decoded<FrameHeader>, Error> {
        Reader::decode(bytes, 2, |reader| {
            Ok(match self {
                Self::Connected => FrameHeader {
                    address: None,
                    len: reader.port()?,
                },
                Self::Addressed => FrameHeader {
                    address: Some(host(reader.address_as(ADDRESS_TYPES))?),
                    len: reader.port()?,
                },
                Self::ForwardUdp => {
                    let len = reader.port()?;
                    let stated = reader.octet()?;
                    let before = reader.taken();
                    let address = host(reader.address())?;
                    let found = Self::FORWARD_UDP_FIXED + reader.taken() - before;
                    if usize::from(stated) != found {
                        return Err(Error::HeaderLength { stated, found }.into());
                    }
                    FrameHeader {
                        address: Some(address),
                        len,
                    }
                }
            })
        })
    }
}

/// Tells a name that cannot be a host's from an address that is not whole.
pub(super) fn host(read: Result<Address, Stop>) -> Result<Result<Address, InvalidName>, Stop> {
    match read {
        Ok(address) => Ok(Ok(address)),
        Err(Stop::Error(Error::Name(invalid))) => Ok(Err(invalid)),
        Err(stop) => Err(stop),
    }
}
