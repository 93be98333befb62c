use super::{
    Address, Decode, Decoded, Encoded, Error,
    reader::{Reader, Stop},
};

/// The header of every relayed datagram (RFC 1928 section 7); the payload follows it.
///
/// ```text
/// +----+------+------+----------+----------+----------+
/// |RSV | FRAG | ATYP | DST.ADDR | DST.PORT |   DATA   |
/// +----+------+------+----------+----------+----------+
/// | 2  |  1   |  1   | Variable |    2     | Variable |
/// +----+------+------+----------+----------+----------+
/// ```
///
/// A datagram never grows, so here [`Decoded::Need`] means that the datagram is cut short and has
/// to be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpHeader {
    /// FRAG: 0 for a datagram that is not fragmented, 1 to 127 for a position in a sequence, with
    /// the high bit set on the last.
    pub fragment: u8,
    /// The destination of the payload (from the client) or its source (to the client).
    pub address: Address,
}

impl UdpHeader {
    /// Encodes the header.
    #[must_use]
    pub fn encode(&self) -> Encoded<262> {
        self.address
            .append_to(Encoded::new().push(&[0, 0, self.fragment]))
    }
}

impl Decode for UdpHeader {
    const MAX_LEN: usize = 262;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 3 + Address::SHORTEST, |reader| {
            let reserved: [u8; 2] = reader.array()?;
            if reserved != [0, 0] {
                return Err(Stop::Error(Error::Reserved));
            }
            Ok(Self {
                fragment: reader.octet()?,
                address: reader.address()?,
            })
        })
    }
}
