//! Packets once more, as RFC 2865 and RFC 3579 have them.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

pub(super) const SECRET: &[u8] = b"a secret";

/// The attributes of a packet, each with its value; `None` where it is none.
pub(super) fn attributes(packet: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let len = u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]) as usize;
    if !(20..=4096).contains(&len) || packet.len() < len {
        return None;
    }
    all(&packet[20..len])
}

/// Attributes that end where the octets do.
pub(super) fn all(octets: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < octets.len() {
        let len = usize::from(*octets.get(at + 1)?);
        if len < 2 {
            return None;
        }
        found.push((octets[at], octets.get(at + 2..at + len)?.to_vec()));
        at += len;
    }
    Some(found)
}

/// Puts a packet together.
pub(super) fn packet(code: u8, id: u8, authenticator: &[u8], attributes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + attributes.len()).expect("a short packet");
    [
        &[code, id],
        &len.to_be_bytes()[..],
        authenticator,
        attributes,
    ]
    .concat()
}

/// MD5 of all octets and the secret.
pub(super) fn md5(octets: &[u8]) -> Vec<u8> {
    Md5::digest([octets, SECRET].concat()).to_vec()
}

pub(super) fn hmac(octets: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Md5>::new_from_slice(SECRET).expect("a key");
    mac.update(octets);
    mac.finalize().into_bytes().to_vec()
}

/// What hides a block of a password, by the one before.
pub(super) fn pad(before: &[u8]) -> Vec<u8> {
    Md5::digest([SECRET, before].concat()).to_vec()
}
