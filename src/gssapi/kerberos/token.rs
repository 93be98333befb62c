use std::borrow::Cow;

/// Octets of the header in clear.
pub(super) const HEADER: usize = 16;

/// A token of `gss_wrap` (RFC 4121 section 4.2.6.2), of which nothing has been verified.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// All of it, with the rotation undone.
    pub(super) octets: Cow<'a, [u8]>,
    /// Whether it says that it is encrypted.
    pub(super) sealed: bool,
    /// Octets that fill it up where it is encrypted, and of its checksum where it is not (EC).
    pub(super) extra: usize,
    /// Its number (SND_SEQ).
    pub(super) number: u64,
}

impl<'a> Token<'a> {
    /// Reads the header, and undoes the rotation (RRC, section 4.2.5), by which the trailer comes first in tokens
    /// of Windows. `None` for what is no such token.
    pub(super) fn parse(octets: &'a [u8]) -> Option<Self> {
        let (header, body) = octets.split_first_chunk::<HEADER>()?;
        let [0x05, 0x04, flags, 0xff, e0, e1, r0, r1, number @ ..] = *header else {
            return None;
        };
        let rotated = usize::from(u16::from_be_bytes([r0, r1]));
        let octets = if rotated == 0 || body.is_empty() {
            Cow::Borrowed(octets)
        } else {
            let mut body = body.to_vec();
            let by = rotated % body.len();
            body.rotate_left(by);
            let mut header = *header;
            let [.., high, low, _, _, _, _, _, _, _, _] = &mut header;
            (*high, *low) = (0, 0);
            Cow::Owned([header.as_slice(), &body].concat())
        };
        Some(Self {
            octets,
            sealed: flags & 0x02 != 0,
            extra: usize::from(u16::from_be_bytes([e0, e1])),
            number: u64::from_be_bytes(number),
        })
    }
}
