//! The frames of UDP over TCP once more, by themselves.

use std::net::SocketAddr;

use tower_socks::proto::{
    Address, Decode, Decoded, Framing, UdpHeader, UdpOverTcp, UdpOverTcpRequest,
};

use crate::{
    pieces::pieces,
    script::{Script, Stall, Write},
};

/// What a stream of frames holds.
#[derive(Debug)]
pub(super) struct Frames {
    /// Address and payload of each; the address is none where it cannot be a host's.
    pub(super) frames: Vec<(Option<Address>, Vec<u8>)>,
    pub(super) end: End,
}

/// How a stream of frames ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Behind a frame.
    Whole,
    /// Within one.
    Cut,
    /// With what is none.
    Malformed,
    /// With one octet that begins none. Whether that is looked at by itself is a question of pieces.
    Either,
}

impl Frames {
    /// Reads what comes behind the request. `connected` is where all goes to.
    pub(super) fn read(framing: Framing, connected: Option<&Address>, mut octets: &[u8]) -> Self {
        let mut frames = Vec::new();
        let end = loop {
            if octets.is_empty() {
                break End::Whole;
            }
            match read(framing, connected, octets) {
                Ok((address, payload, rest)) => {
                    frames.push((address, payload.to_vec()));
                    octets = rest;
                }
                Err(End::Malformed) if octets.len() == 1 => break End::Either,
                Err(end) => break end,
            }
        };
        Self { frames, end }
    }
}

type Read<'a> = (Option<Address>, &'a [u8], &'a [u8]);

fn read<'a>(
    framing: Framing,
    connected: Option<&Address>,
    octets: &'a [u8],
) -> Result<Read<'a>, End> {
    let number = |at: usize| match octets.get(at..at + 2) {
        Some(octets) => Ok(usize::from(octets[0]) << 8 | usize::from(octets[1])),
        None => Err(End::Cut),
    };
    // Where ATYP is, and what RFC 1928 has for it.
    let (start, atyps) = match framing {
        Framing::Connected => {
            let payload = octets.get(2..2 + number(0)?).ok_or(End::Cut)?;
            return Ok((connected.cloned(), payload, &octets[2 + payload.len()..]));
        }
        Framing::Addressed => (0, [Some(1), Some(4), Some(3), None, None]),
        Framing::ForwardUdp => (3, [None, Some(1), None, Some(3), Some(4)]),
    };
    let atyp = octets.get(start).ok_or(End::Cut)?;
    let atyp = atyps.get(usize::from(*atyp)).copied().flatten();
    let atyp = atyp.ok_or(End::Malformed)?;
    let len = match atyp {
        1 => 7,
        4 => 19,
        _ => 4 + usize::from(*octets.get(start + 1).ok_or(End::Cut)?),
    };
    let mut header = vec![0, 0, 0, atyp];
    header.extend_from_slice(octets.get(start + 1..start + len).ok_or(End::Cut)?);
    let address = match UdpHeader::decode(&header) {
        Ok(Decoded::Done(header, _)) => Some(header.address),
        _ => None,
    };
    let behind = start + len;
    let (front, len) = match framing {
        Framing::ForwardUdp if usize::from(octets[2]) != behind => return Err(End::Malformed),
        Framing::ForwardUdp => (behind, number(0)?),
        _ => (behind + 2, number(behind)?),
    };
    let payload = octets.get(front..front + len).ok_or(End::Cut)?;
    Ok((address, payload, &octets[front + len..]))
}

/// A frame, where there is one for such a payload.
pub(super) fn frame(framing: Framing, address: &Address, payload: &[u8]) -> Option<Vec<u8>> {
    let len = u16::try_from(payload.len()).ok()?.to_be_bytes();
    let header = UdpHeader {
        fragment: 0,
        address: address.clone(),
    };
    let mut address = header.encode()[3..].to_vec();
    match framing {
        Framing::Connected => Some([&len, payload].concat()),
        Framing::Addressed => {
            address[0] = match address[0] {
                1 => 0,
                4 => 1,
                _ => 2,
            };
            Some([&*address, &len, payload].concat())
        }
        Framing::ForwardUdp => {
            let header = u8::try_from(3 + address.len()).ok()?;
            let fits = address.len() + payload.len() <= 1_500;
            fits.then(|| [&len, &[header][..], &*address, payload].concat())
        }
    }
}

/// What a stream of this protocol begins with, and its frames: `None` where the request is not whole.
pub(super) fn begin(
    protocol: UdpOverTcp,
    octets: &[u8],
) -> Result<(Framing, Option<Address>, &[u8]), End> {
    match protocol {
        UdpOverTcp::ForwardUdp => Ok((Framing::ForwardUdp, None, octets)),
        UdpOverTcp::V2 => match UdpOverTcpRequest::decode(octets) {
            Ok(Decoded::Done(request, len)) => {
                let destination = match &request.destination {
                    // An address of IPv4 in one of IPv6 is the former.
                    Address::Ip(address) => {
                        Address::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
                    }
                    name @ Address::Name(..) => name.clone(),
                };
                let destination = request.is_connect.then_some(destination);
                Ok((request.framing(), destination, &octets[len..]))
            }
            Ok(Decoded::Need(_)) if octets.is_empty() => Err(End::Whole),
            Ok(Decoded::Need(_)) => Err(End::Cut),
            Err(_) => Err(End::Malformed),
        },
        _ => Ok((Framing::Addressed, None, octets)),
    }
}

/// Lets a stream take octets in pieces that `seed` decides: 0 for all at once.
pub(super) fn slow(script: &mut Script, seed: u8) {
    if seed == 0 {
        return;
    }
    for piece in pieces(&[0; 2048], seed) {
        script.writes.push_back(Write::Takes(piece.len()));
        script.writes.push_back(Write::Stalls(Stall::Once));
    }
}
