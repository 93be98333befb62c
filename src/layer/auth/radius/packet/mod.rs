//! Packets of RADIUS (RFC 2865 section 3) as octets: written, signed, and read with every length checked.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::attribute::{MESSAGE_AUTHENTICATOR, VENDOR_SPECIFIC};

/// Octets of a packet.
pub(super) const LONGEST: usize = 4096;

/// Octets of a packet without attributes.
const HEADER: usize = 20;

/// Octets of a Message-Authenticator, with its type and length.
const SIGNATURE: usize = 18;

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
    /// Adds one. An empty value is none, and what is too long for a packet that is signed is left out.
    pub(super) fn add(&mut self, kind: u8, value: &[u8]) {
        let fits = HEADER + SIGNATURE + self.0.len() + 2 + value.len() <= LONGEST;
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
        let mut packet = signed.packet(ACCESS_REQUEST, identifier, authenticator);
        let code = message_authenticator(secret, [&packet[..]]);
        if let Some(place) = packet.get_mut(HEADER + 2..HEADER + SIGNATURE) {
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
        let after = self.attributes.get(at + SIGNATURE..).unwrap_or_default();
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

/// The type and the value of an attribute.
type Attribute<'a> = (u8, &'a [u8]);

/// Splits the first attribute off.
fn attribute(octets: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (&[kind, len], _) = octets.split_first_chunk()?;
    let (found, rest) = octets.split_at_checked(usize::from(len))?;
    Some(((kind, found.get(2..)?), rest))
}

#[cfg(test)]
mod tests;
