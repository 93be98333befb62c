//! Packets of RADIUS (RFC 2865 section 3) as octets: written, signed, and read with every length checked.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::attribute::{MESSAGE_AUTHENTICATOR, VENDOR_SPECIFIC};

/// Octets of a packet.
pub(super) const LONGEST: usize = 4096;

/// Octets of a packet without attributes.
const HEADER: usize = 20;

/// Octets of a value.
pub(super) const LONGEST_VALUE: usize = 253;

/// Octets of a password that can be hidden.
pub(super) const LONGEST_PASSWORD: usize = 128;

pub(super) const ACCESS_REQUEST: u8 = 1;
pub(super) const ACCESS_ACCEPT: u8 = 2;
pub(super) const ACCESS_REJECT: u8 = 3;
pub(super) const ACCOUNTING_REQUEST: u8 = 4;
pub(super) const ACCOUNTING_RESPONSE: u8 = 5;
pub(super) const ACCESS_CHALLENGE: u8 = 11;

pub(super) type Authenticator = [u8; 16];

/// The attributes of a packet that is being written.
#[derive(Clone, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Adds one. An empty value is none, and what is too long for a packet is left out.
    pub(super) fn add(&mut self, kind: u8, value: &[u8]) {
        let fits = HEADER + self.0.len() + 2 + value.len() <= LONGEST;
        if let Ok(len @ 1..=253) = u8::try_from(value.len())
            && fits
        {
            self.0.extend([kind, len + 2]);
            self.0.extend(value);
        }
    }

    pub(super) fn add_number(&mut self, kind: u8, value: u32) {
        self.add(kind, &value.to_be_bytes());
    }

    /// Hides a password (RFC 2865 section 5.2) of at most [`LONGEST_PASSWORD`] octets.
    pub(super) fn add_password(
        &mut self,
        kind: u8,
        password: &[u8],
        secret: &[u8],
        authenticator: &Authenticator,
    ) {
        let mut hidden: Vec<u8> = Vec::with_capacity(LONGEST_PASSWORD);
        let mut before = *authenticator;
        for block in password.chunks(16) {
            let pad = Md5::new_with_prefix(secret).chain_update(before).finalize();
            let mut octets = [0; 16];
            let plain = block.iter().copied().chain(std::iter::repeat(0));
            for ((octet, plain), pad) in octets.iter_mut().zip(plain).zip(pad) {
                *octet = plain ^ pad;
            }
            hidden.extend(octets);
            before = octets;
        }
        self.add(kind, &hidden);
    }

    /// Makes an Access-Request of it. Message-Authenticator comes first, so that no octet in front of it is an
    /// attacker's.
    pub(super) fn access_request(
        &self,
        identifier: u8,
        authenticator: &Authenticator,
        secret: &[u8],
    ) -> Vec<u8> {
        let mut signed = Self::default();
        signed.add(MESSAGE_AUTHENTICATOR, &[0; 16]);
        signed.0.extend(&self.0);
        signed.0.truncate(LONGEST - HEADER);
        let mut packet = signed.packet(ACCESS_REQUEST, identifier, authenticator);
        let code = message_authenticator(secret, [&packet[..]]);
        if let Some(place) = packet.get_mut(HEADER + 2..HEADER + 18) {
            place.copy_from_slice(&code);
        }
        packet
    }

    /// Makes an Accounting-Request of it, whose authenticator is its signature (RFC 2866 section 3).
    pub(super) fn accounting_request(
        &self,
        identifier: u8,
        secret: &[u8],
    ) -> (Vec<u8>, Authenticator) {
        let mut packet = self.packet(ACCOUNTING_REQUEST, identifier, &[0; 16]);
        let authenticator = md5([&packet[..], secret]);
        if let Some(place) = packet.get_mut(4..HEADER) {
            place.copy_from_slice(&authenticator);
        }
        (packet, authenticator)
    }

    fn packet(&self, code: u8, identifier: u8, authenticator: &Authenticator) -> Vec<u8> {
        let len = HEADER + self.0.len();
        let mut packet = Vec::with_capacity(len);
        packet.extend([code, identifier]);
        packet.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
        packet.extend(authenticator);
        packet.extend(&self.0);
        packet
    }
}

fn md5<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Authenticator {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

fn message_authenticator<'a>(
    secret: &[u8],
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Authenticator {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(secret) else {
        return [0; 16];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// An answer, whose lengths have been checked.
pub(super) struct Answer<'a> {
    pub(super) code: u8,
    pub(super) identifier: u8,
    authenticator: &'a [u8],
    attributes: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Reads one. `None` for what is none: too short, or with an attribute that does not end in it. What follows its end
    /// is padding.
    pub(super) fn read(octets: &'a [u8]) -> Option<Self> {
        let (&[code, identifier, high, low], _) = octets.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        if !(HEADER..=LONGEST).contains(&len) {
            return None;
        }
        let (header, attributes) = octets.get(..len)?.split_at_checked(HEADER)?;
        let answer = Self {
            code,
            identifier,
            authenticator: header.get(4..)?,
            attributes,
        };
        let mut rest = attributes;
        while !rest.is_empty() {
            (_, rest) = attribute(rest)?;
        }
        Some(answer)
    }

    /// Whether it is the answer to the request with this authenticator, by somebody who knows the secret.
    pub(super) fn is_authentic(&self, request: &Authenticator, secret: &[u8]) -> bool {
        let own = md5([&self.header()[..], request, self.attributes, secret]);
        own.ct_eq(self.authenticator).into()
    }

    /// Whether its Message-Authenticator is right; `None` if there is none. Two are wrong.
    pub(super) fn is_signed(&self, request: &Authenticator, secret: &[u8]) -> Option<bool> {
        let mut at = 0;
        let mut place = None;
        for (kind, value) in self.attributes() {
            if kind == MESSAGE_AUTHENTICATOR {
                if place.is_some() || value.len() != 16 {
                    return Some(false);
                }
                place = Some((at, value));
            }
            at += 2 + value.len();
        }
        let (at, value) = place?;
        let before = self.attributes.get(..at + 2).unwrap_or_default();
        let after = self.attributes.get(at + 18..).unwrap_or_default();
        let parts = [&self.header()[..], request, before, &[0; 16], after];
        Some(message_authenticator(secret, parts).ct_eq(value).into())
    }

    fn header(&self) -> [u8; 4] {
        let len = u16::try_from(HEADER + self.attributes.len()).unwrap_or(u16::MAX);
        let [high, low] = len.to_be_bytes();
        [self.code, self.identifier, high, low]
    }

    /// Its attributes, each with its value.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            let (found, after) = attribute(rest)?;
            rest = after;
            Some(found)
        })
    }

    /// The values of one kind.
    pub(super) fn all(&self, kind: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let all = self.attributes();
        all.filter_map(move |(other, value)| (other == kind).then_some(value))
    }

    /// The first number of one kind.
    pub(super) fn number(&self, kind: u8) -> Option<u32> {
        number(self.all(kind).next()?)
    }

    /// The first number of one kind of a vendor's (RFC 2865 section 5.26).
    pub(super) fn number_of_vendor(&self, vendor: u32, kind: u8) -> Option<u32> {
        self.all(VENDOR_SPECIFIC).find_map(|value| {
            let (of, mut rest) = value.split_first_chunk::<4>()?;
            if u32::from_be_bytes(*of) != vendor {
                return None;
            }
            while let Some(((other, value), after)) = attribute(rest) {
                if other == kind {
                    return number(value);
                }
                rest = after;
            }
            None
        })
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// Splits the first attribute off.
fn attribute(octets: &[u8]) -> Option<((u8, &[u8]), &[u8])> {
    let (&[kind, len], _) = octets.split_first_chunk()?;
    let (found, rest) = octets.split_at_checked(usize::from(len))?;
    Some(((kind, found.get(2..)?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first example of RFC 2865 section 7.1.
    #[test]
    fn passwords_are_hidden_as_in_the_example() {
        let authenticator = *b"\x0f\x40\x3f\x94\x73\x97\x80\x57\xbd\x83\xd5\xcb\x98\xf4\x22\x7a";
        let mut attributes = Attributes::default();
        attributes.add_password(2, b"arctangent", b"xyzzy5461", &authenticator);
        let hidden = b"\x02\x12\x0d\xbe\x70\x8d\x93\xd4\x13\xce\x31\x96\xe4\x3f\x78\x2a\x0a\xee";
        assert_eq!(attributes.0, hidden);

        let accept =
            b"\x02\x00\x00\x26\x86\xfe\x22\x0e\x76\x24\xba\x2a\x10\x05\xf6\xbf\x9b\x55\xe0\xb2\
                       \x06\x06\x00\x00\x00\x01\x0f\x06\x00\x00\x00\x00\x0e\x06\xc0\xa8\x01\x03";
        let answer = Answer::read(accept).unwrap();
        assert!(answer.is_authentic(&authenticator, b"xyzzy5461"));
        assert!(!answer.is_authentic(&authenticator, b"xyzzy5460"));
        assert_eq!(answer.is_signed(&authenticator, b"xyzzy5461"), None);
        assert_eq!(answer.number(6), Some(1));
    }

    #[test]
    fn what_is_no_answer_is_not_read() {
        let packet = Attributes(vec![1, 3, 7, 2, 2]).packet(2, 9, &[1; 16]);
        assert!(Answer::read(&packet).is_some());
        for len in 0..packet.len() {
            assert!(Answer::read(&packet[..len]).is_none(), "{len}");
        }
        for attributes in [vec![1], vec![1, 0], vec![1, 1], vec![1, 3], vec![1, 2, 9]] {
            let packet = Attributes(attributes.clone()).packet(2, 9, &[1; 16]);
            assert!(Answer::read(&packet).is_none(), "{attributes:?}");
        }
        let mut long = packet;
        long.push(0);
        assert!(Answer::read(&long).is_some());
        long[2] = 255;
        assert!(Answer::read(&long).is_none());
    }

    #[test]
    fn vendors_may_send_anything() {
        let numbers = [
            (&[26, 12, 0, 0, 0x37, 0x2a, 7, 6, 0, 0, 1, 0][..], Some(256)),
            (
                &[26, 15, 0, 0, 0x37, 0x2a, 8, 3, 9, 7, 6, 0, 0, 1, 0],
                Some(256),
            ),
            (&[26, 12, 0, 0, 0x37, 0x2b, 7, 6, 0, 0, 1, 0], None),
            (&[26, 11, 0, 0, 0x37, 0x2a, 7, 5, 0, 0, 1], None),
            (&[26, 8, 0, 0, 0x37, 0x2a, 7, 0], None),
            (&[26, 6, 0, 0, 0x37, 0x2a], None),
            (&[26, 2], None),
        ];
        for (attribute, number) in numbers {
            let packet = Attributes(attribute.to_vec()).packet(2, 9, &[1; 16]);
            let answer = Answer::read(&packet).unwrap();
            assert_eq!(answer.number_of_vendor(14122, 7), number, "{attribute:?}");
        }
    }
}
