use super::{
    Decode, Decoded, Encoded, Error, Method, MethodSet, VERSION,
    reader::{Reader, Stop},
};

/// The client's version identifier/method selection message (RFC 1928 section 3).
///
/// ```text
/// +----+----------+----------+
/// |VER | NMETHODS | METHODS  |
/// +----+----------+----------+
/// | 1  |    1     | 1 to 255 |
/// +----+----------+----------+
/// ```
///
/// NMETHODS of 0 decodes to an empty set: the frame is complete, and the selection is `05 FF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// METHODS: those that the client offers.
    pub methods: MethodSet,
}

impl Greeting {
    /// Encodes the frame as a client sends it.
    #[must_use]
    pub fn encode(&self) -> Encoded<257> {
        // 256 values fit into the set, 255 into the frame: X'FF' is no method.
        let methods = || {
            self.methods
                .iter()
                .filter(|method| *method != Method::NO_ACCEPTABLE)
        };
        let count = u8::try_from(methods().count()).unwrap_or(u8::MAX);
        methods().fold(
            Encoded::new().push(&[VERSION, count]),
            |frame, Method(octet)| frame.push(&[octet]),
        )
    }
}

impl Decode for Greeting {
    const MAX_LEN: usize = 257;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 2, |reader| {
            reader.version(VERSION)?;
            let count = reader.octet()?;
            let methods = reader.slice(usize::from(count))?;
            Ok(Self {
                methods: methods.iter().copied().map(Method).collect(),
            })
        })
    }
}

/// The server's METHOD selection message (RFC 1928 section 3).
///
/// ```text
/// +----+--------+
/// |VER | METHOD |
/// +----+--------+
/// | 1  |   1    |
/// +----+--------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The selected method, or [`Method::NO_ACCEPTABLE`].
    pub method: Method,
}

impl Selection {
    /// Encodes the frame as a server sends it.
    #[must_use]
    pub fn encode(&self) -> Encoded<2> {
        Encoded::new().push(&[VERSION, self.method.0])
    }
}

impl Decode for Selection {
    const MAX_LEN: usize = 2;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Reader::decode(bytes, 2, |reader| -> Result<Self, Stop> {
            reader.version(VERSION)?;
            Ok(Self {
                method: Method(reader.octet()?),
            })
        })
    }
}
