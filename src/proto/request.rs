use super::{Address, Command, Decode, Decoded, Encoded, Error, VERSION, reader::Reader};

/// The client's request (RFC 1928 section 4).
///
/// ```text
/// +----+-----+-------+------+----------+----------+
/// |VER | CMD |  RSV  | ATYP | DST.ADDR | DST.PORT |
/// +----+-----+-------+------+----------+----------+
/// | 1  |  1  | X'00' |  1   | Variable |    2     |
/// +----+-----+-------+------+----------+----------+
/// ```
///
/// RSV is written as zero and ignored when read: a client that fills it is still served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// CMD.
    pub command: Command,
    /// DST.ADDR and DST.PORT. A name is in normal form, and one that is an IP literal is its address.
    pub target: Address,
}

impl Request {
    /// Encodes the frame as a client sends it.
    #[must_use]
    pub fn encode(&self) -> Encoded<262> {
        self.target
            .append_to(Encoded::new().push(&[VERSION, self.command.0, 0]))
    }
}

impl Decode for Request {
    const MAX_LEN: usize = 262;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 3 + Address::SHORTEST, |reader| {
            reader.version(VERSION)?;
            let [command, _reserved] = reader.array()?;
            Ok(Self {
                command: Command(command),
                target: reader.address()?,
            })
        })
    }
}
