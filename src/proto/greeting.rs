use super::{
    Decode, Decoded, Encoded, Error, Method, MethodSet, VERSION,
    reader::{Cursor, Stop},
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
/// NMETHODS of 0 decodes to an empty set: the frame is whole, and its answer is `05 FF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// What the client is able to do.
    pub methods: MethodSet,
}

impl Greeting {
    /// The frame as a client sends it.
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
        Cursor::decode(bytes, 2, |cursor| {
            cursor.version(VERSION)?;
            let count = cursor.octet()?;
            let methods = cursor.slice(usize::from(count))?;
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
    /// The chosen method, or [`Method::NO_ACCEPTABLE`].
    pub method: Method,
}

impl Selection {
    /// The frame as a server sends it.
    #[must_use]
    pub fn encode(&self) -> Encoded<2> {
        Encoded::new().push(&[VERSION, self.method.0])
    }
}

impl Decode for Selection {
    const MAX_LEN: usize = 2;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        Cursor::decode(bytes, 2, |cursor| -> Result<Self, Stop> {
            cursor.version(VERSION)?;
            Ok(Self {
                method: Method(cursor.octet()?),
            })
        })
    }
}
