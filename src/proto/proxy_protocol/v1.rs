//! Version 1: a line of text.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::{InvalidProxyHeader, addresses::Addresses};
use crate::proto::Decoded;

/// The longest line, with its end.
const LONGEST: usize = 107;

const END: &[u8] = b"\r\n";

/// The beginnings of lines, and the length of the shortest line with each.
const KINDS: [(Kind, &[u8], usize); 3] = [
    (Kind::V4, b"PROXY TCP4 ", 32), // PROXY TCP4 0.0.0.0 0.0.0.0 0 0
    (Kind::V6, b"PROXY TCP6 ", 22), // PROXY TCP6 :: :: 0 0
    (Kind::Unknown, b"PROXY UNKNOWN", 15),
];

#[derive(Clone, Copy)]
enum Kind {
    V4,
    V6,
    Unknown,
}

pub(super) fn decode(octets: &[u8]) -> Result<Decoded<Addresses>, InvalidProxyHeader> {
    let starts = |begin: &[u8]| begin.iter().zip(octets).all(|(a, b)| a == b);
    let mut kinds = KINDS.into_iter().filter(|(_, begin, _)| starts(begin));
    let Some((kind, begin, shortest)) = kinds.next() else {
        return Err(match octets.starts_with(b"PROXY ") {
            true => InvalidProxyHeader::Line,
            false => InvalidProxyHeader::Signature,
        });
    };
    let line = octets.get(..LONGEST).unwrap_or(octets);
    let Some(rest) = line.get(begin.len()..) else {
        // It can still be any of them, and the last is the shortest.
        let shortest = kinds
            .next_back()
            .map_or(shortest, |(_, _, least)| least.min(shortest));
        return Ok(Decoded::Need(shortest - octets.len()));
    };
    check(kind, rest)?;
    let Some(len) = line.windows(END.len()).position(|two| two == END) else {
        if octets.len() >= LONGEST {
            return Err(InvalidProxyHeader::TooLong);
        }
        let end = if octets.ends_with(b"\r") { 1 } else { 2 };
        return Ok(Decoded::Need(
            end.max(shortest.saturating_sub(octets.len())),
        ));
    };
    let stated = line.get(begin.len()..len).unwrap_or_default();
    let addresses = match kind {
        Kind::V4 => Addresses::Stated(pair::<Ipv4Addr>(stated)?),
        Kind::V6 => Addresses::Stated(pair::<Ipv6Addr>(stated)?),
        Kind::Unknown => Addresses::Unknown,
    };
    Ok(Decoded::Done(addresses, len + END.len()))
}

/// Fails with the first octet that cannot be in such a line.
fn check(kind: Kind, rest: &[u8]) -> Result<(), InvalidProxyHeader> {
    let may = match kind {
        Kind::V4 | Kind::V6 => {
            let mut stated = rest.iter().take_while(|octet| **octet != b'\r');
            stated.all(|octet| octet.is_ascii_hexdigit() || b" .:".contains(octet))
        }
        // What is behind is to be ignored.
        Kind::Unknown => rest.first().is_none_or(|octet| b" \r".contains(octet)),
    };
    // An end of line has two octets.
    let ends = match rest.iter().position(|octet| *octet == b'\r') {
        Some(end) => rest.get(end + 1).is_none_or(|octet| *octet == b'\n'),
        None => true,
    };
    if may && ends {
        Ok(())
    } else {
        Err(InvalidProxyHeader::Line)
    }
}

/// Reads two addresses and two ports, with one space between.
fn pair<T: FromStr + Into<IpAddr>>(
    stated: &[u8],
) -> Result<(SocketAddr, SocketAddr), InvalidProxyHeader> {
    let read = || {
        let mut fields = std::str::from_utf8(stated).ok()?.split(' ');
        let source: T = fields.next()?.parse().ok()?;
        let destination: T = fields.next()?.parse().ok()?;
        let from = port(fields.next()?)?;
        let to = port(fields.next()?)?;
        let pair = (
            SocketAddr::new(source.into(), from),
            SocketAddr::new(destination.into(), to),
        );
        fields.next().is_none().then_some(pair)
    };
    read().ok_or(InvalidProxyHeader::Line)
}

/// Zeros in front are not permitted, and no other sign.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.starts_with(|first: char| ('1'..='9').contains(&first));
    text.parse().ok().filter(|_| is_plain)
}

pub(super) fn encode(addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let line = match addresses {
        None => "PROXY UNKNOWN\r\n".to_owned(),
        Some((source, destination)) => format!(
            "PROXY {} {} {} {} {}\r\n",
            if source.is_ipv4() { "TCP4" } else { "TCP6" },
            source.ip(),
            destination.ip(),
            source.port(),
            destination.port()
        ),
    };
    line.into_bytes()
}
