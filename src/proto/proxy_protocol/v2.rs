//! Version 2: octets.

use std::net::{IpAddr, SocketAddr};

use super::{InvalidProxyHeader, addresses::Addresses, crc32c::crc32c, tlv::ProxyTlvs};
use crate::proto::Decoded;

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The octets before the length counts.
const FIXED: usize = 16;

/// The octets that the addresses of a family take: IPv4, IPv6, Unix sockets.
const V4: usize = 2 * (4 + 2);
const V6: usize = 2 * (16 + 2);
const UNIX: usize = 2 * 108;

/// Returns the addresses and the TLVs.
pub(super) fn decode(octets: &[u8]) -> Result<Decoded<(Addresses, &[u8])>, InvalidProxyHeader> {
    if SIGNATURE.iter().zip(octets).any(|(a, b)| a != b) {
        return Err(InvalidProxyHeader::Signature);
    }
    let fixed = octets.get(SIGNATURE.len()..).unwrap_or_default();
    if let Some(octet) = fixed.first() {
        match (octet >> 4, octet & 0x0f) {
            (2, 0 | 1) => {}
            (2, command) => return Err(InvalidProxyHeader::Command(command)),
            (version, _) => return Err(InvalidProxyHeader::Version(version)),
        }
    }
    let &[command, family, high, low, ..] = fixed else {
        return Ok(Decoded::Need(FIXED - octets.len()));
    };
    let is_proxied = command & 0x0f == 1;
    if is_proxied && ![0x00, 0x11, 0x21, 0x31].contains(&family) {
        return Err(InvalidProxyHeader::Family(family));
    }
    let len = u16::from_be_bytes([high, low]);
    let taken = match family >> 4 {
        1 => V4,
        2 => V6,
        3 => UNIX,
        _ => 0,
    };
    if is_proxied && usize::from(len) < taken {
        return Err(InvalidProxyHeader::Length(len));
    }
    let whole = FIXED + usize::from(len);
    let Some(frame) = octets.get(..whole) else {
        return Ok(Decoded::Need(whole - octets.len()));
    };
    let stated = frame.get(FIXED..).unwrap_or_default();
    let (stated, tlvs) = stated.split_at_checked(taken).unwrap_or_default();
    let (addresses, tlvs) = match (is_proxied, family) {
        (true, 0x11) => (addresses::<4>(stated), tlvs),
        (true, 0x21) => (addresses::<16>(stated), tlvs),
        (true, 0x31) => (Addresses::Unknown, tlvs),
        // What is there is to be skipped, and may be anything.
        (is_proxied, _) => {
            let tlvs = match ProxyTlvs::check(tlvs) {
                Ok(()) => tlvs,
                Err(_) => &[],
            };
            match is_proxied {
                true => (Addresses::Unknown, tlvs),
                false => (Addresses::Local, tlvs),
            }
        }
    };
    ProxyTlvs::check(tlvs)?;
    if let Some(at) = ProxyTlvs::checksum(tlvs)? {
        let (before, rest) = frame
            .split_at_checked(frame.len() - tlvs.len() + at)
            .unwrap_or_default();
        let (found, behind) = rest.split_at_checked(4).unwrap_or_default();
        if crc32c(&[before, &[0; 4], behind]).to_be_bytes() != found {
            return Err(InvalidProxyHeader::Checksum);
        }
    }
    Ok(Decoded::Done((addresses, tlvs), whole))
}

/// Reads two addresses and two ports.
fn addresses<const N: usize>(stated: &[u8]) -> Addresses
where
    IpAddr: From<[u8; N]>,
{
    let read = || {
        let (source, rest) = stated.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let &[a, b, c, d] = rest else { return None };
        Some(Addresses::Stated((
            SocketAddr::new((*source).into(), u16::from_be_bytes([a, b])),
            SocketAddr::new((*destination).into(), u16::from_be_bytes([c, d])),
        )))
    };
    read().unwrap_or(Addresses::Unknown)
}

pub(super) fn encode(
    is_local: bool,
    addresses: Option<(SocketAddr, SocketAddr)>,
    tlvs: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FIXED + V6 + tlvs.len());
    frame.extend_from_slice(SIGNATURE);
    frame.push(if is_local { 0x20 } else { 0x21 });
    let (family, taken) = match addresses {
        None => (0x00, 0),
        Some((source, _)) if source.is_ipv4() => (0x11, V4),
        Some(_) => (0x21, V6),
    };
    frame.push(family);
    // It fits: what is put in is checked then.
    let len = u16::try_from(taken + tlvs.len()).unwrap_or(u16::MAX);
    frame.extend_from_slice(&len.to_be_bytes());
    if let Some((source, destination)) = addresses {
        for address in [source, destination] {
            match address.ip() {
                IpAddr::V4(ip) => frame.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => frame.extend_from_slice(&ip.octets()),
            }
        }
        frame.extend_from_slice(&source.port().to_be_bytes());
        frame.extend_from_slice(&destination.port().to_be_bytes());
    }
    let start = frame.len();
    frame.extend_from_slice(tlvs);
    if let Ok(Some(at)) = ProxyTlvs::checksum(tlvs) {
        let at = start + at;
        if let Some(room) = frame.get_mut(at..at + 4) {
            room.fill(0);
        }
        let checksum = crc32c(&[&frame]).to_be_bytes();
        if let Some(room) = frame.get_mut(at..at + 4) {
            room.copy_from_slice(&checksum);
        }
    }
    frame
}

/// The room for TLVs behind the addresses of any family that is sent.
pub(super) const ROOM: usize = u16::MAX as usize - V6;
