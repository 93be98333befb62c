//! What a header of version 2 has behind its addresses.

use super::InvalidProxyHeader;

/// An item of a [`ProxyHeader`](super::ProxyHeader) of version 2: a type, a length, and octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyTlv<'a> {
    /// The type, one of the constants here or another. E0 to EF are everybody's own.
    pub kind: u8,
    /// The value.
    pub value: &'a [u8],
}

impl ProxyTlv<'_> {
    /// The protocol that ALPN selected (RFC 7301).
    pub const ALPN: u8 = 0x01;
    /// The name that the client asked for: of TLS the SNI.
    pub const AUTHORITY: u8 = 0x02;
    /// A checksum of the whole header.
    pub const CRC32C: u8 = 0x03;
    /// Nothing: room that is left out.
    pub const NOOP: u8 = 0x04;
    /// A number for the connection, of at most 128 octets.
    pub const UNIQUE_ID: u8 = 0x05;
    /// How the client speaks TLS to the sender.
    pub const SSL: u8 = 0x20;
    /// The network namespace of the sender.
    pub const NETNS: u8 = 0x30;
}

/// The items of a header, in their order: the iterator of [`ProxyHeader::tlvs`](super::ProxyHeader::tlvs).
#[derive(Clone, Debug)]
pub struct ProxyTlvs<'a>(pub(super) &'a [u8]);

impl<'a> ProxyTlvs<'a> {
    /// Returns the next one and what is behind it.
    fn split(octets: &'a [u8]) -> Option<(ProxyTlv<'a>, &'a [u8])> {
        let ([kind, high, low], rest) = octets.split_first_chunk()?;
        let len = u16::from_be_bytes([*high, *low]);
        let (value, rest) = rest.split_at_checked(len.into())?;
        Some((ProxyTlv { kind: *kind, value }, rest))
    }

    /// Checks that they fill the room that they have.
    pub(super) fn check(mut octets: &[u8]) -> Result<(), InvalidProxyHeader> {
        while !octets.is_empty() {
            (_, octets) = ProxyTlvs::split(octets).ok_or(InvalidProxyHeader::Tlv)?;
        }
        Ok(())
    }

    /// Returns where the checksum stands among these octets, if there is one.
    pub(super) fn checksum(octets: &[u8]) -> Result<Option<usize>, InvalidProxyHeader> {
        let mut rest = octets;
        let mut found = None;
        while let Some((tlv, behind)) = ProxyTlvs::split(rest) {
            if tlv.kind == ProxyTlv::CRC32C {
                if tlv.value.len() != 4 || found.is_some() {
                    return Err(InvalidProxyHeader::Tlv);
                }
                found = Some(octets.len() - behind.len() - 4);
            }
            rest = behind;
        }
        Ok(found)
    }
}

impl<'a> Iterator for ProxyTlvs<'a> {
    type Item = ProxyTlv<'a>;

    fn next(&mut self) -> Option<ProxyTlv<'a>> {
        let (tlv, rest) = Self::split(self.0)?;
        self.0 = rest;
        Some(tlv)
    }
}
