use super::framing::host;
use crate::proto::{Address, Decode, Decoded, Encoded, Error, Framing, reader::Reader};

/// The first octets of a client in a stream of UDP over TCP, version 2; frames follow.
///
/// ```text
/// +-----------+------+----------+------+
/// | ISCONNECT | ATYP |   ADDR   | PORT |
/// +-----------+------+----------+------+
/// |     1     |  1   | Variable |  2   |      ATYP of RFC 1928 section 5
/// +-----------+------+----------+------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpOverTcpRequest {
    /// All datagrams go to the destination and come from it, and frames have no address. Any octet but 0.
    pub is_connect: bool,
    /// The destination. It means nothing where each frame has its own: a name that cannot be a host's is decoded as
    /// [`UNSPECIFIED`](Address::UNSPECIFIED) then.
    pub destination: Address,
}

impl UdpOverTcpRequest {
    /// Encodes the request.
    #[must_use]
    pub fn encode(&self) -> Encoded<260> {
        self.destination
            .append_to(Encoded::new().push(&[u8::from(self.is_connect)]))
    }

    /// Returns the form of the frames that follow, in both directions.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        match self.is_connect {
            true => Framing::Connected,
            false => Framing::Addressed,
        }
    }
}

impl Decode for UdpOverTcpRequest {
    const MAX_LEN: usize = 260;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 1 + Address::SHORTEST, |reader| {
            let is_connect = reader.octet()? != 0;
            let destination = match host(reader.address())? {
                Err(_) if !is_connect => Address::UNSPECIFIED,
                destination => destination.map_err(Error::from)?,
            };
            Ok(Self {
                is_connect,
                destination,
            })
        })
    }
}
