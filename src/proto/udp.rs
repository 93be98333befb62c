use super::{
    Address, Decode, Decoded, Encoded, Error,
    reader::{Cursor, Stop},
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
/// A datagram never grows, so here [`Decoded::Need`] means that the datagram is cut and has to be
/// dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpHeader {
    /// FRAG: 0 for a datagram of its own, 1 to 127 for a position in a sequence, with the high bit
    /// set on the last one.
    pub fragment: u8,
    /// Where the payload goes (from the client) or came from (to the client).
    pub address: Address,
}

impl UdpHeader {
    /// The header in front of a payload.
    #[must_use]
    pub fn encode(&self) -> Encoded<262> {
        self.address
            .append_to(Encoded::new().push(&[0, 0, self.fragment]))
    }
}

impl Decode for UdpHeader {
    const MAX_LEN: usize = 262;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Cursor::decode(bytes, 3 + Address::SHORTEST, |cursor| {
            let reserved: [u8; 2] = cursor.array()?;
            if reserved != [0, 0] {
                return Err(Stop::Error(Error::Reserved));
            }
            Ok(Self {
                fragment: cursor.octet()?,
                address: cursor.address()?,
            })
        })
    }
}
