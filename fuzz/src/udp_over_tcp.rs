//! The messages of UDP over TCP as octets.

use tower_socks::proto::{Address, Decoded, FrameHeader, Framing, UdpOverTcpRequest};

use crate::decode::{canonical, survives, whole};

const FRAMINGS: [Framing; 3] = [Framing::Connected, Framing::Addressed, Framing::ForwardUdp];

/// The first octet of an input says what the others are: a request (bits 0 and 1 both set), or frames of
/// one of the three forms, one behind the other.
pub fn udp_over_tcp(data: &[u8]) {
    let Some((kind, octets)) = data.split_first() else {
        return;
    };
    match FRAMINGS.get(usize::from(kind & 3)) {
        Some(framing) => frames(*framing, octets),
        None => request(octets),
    }
}

fn request(octets: &[u8]) {
    let Some(request) = survives::<UdpOverTcpRequest>(octets) else {
        return;
    };
    canonical(&request.destination);
    let framing = match octets[0] {
        0 => Framing::Addressed,
        _ => Framing::Connected,
    };
    assert_eq!(request.framing(), framing);
    // ISCONNECT comes out as 1, and a name in normal form.
    let encoded = request.encode();
    assert_eq!(encoded[0], u8::from(octets[0] != 0));
    assert_eq!(whole::<UdpOverTcpRequest>(&encoded), request);
}

fn frames(framing: Framing, mut octets: &[u8]) {
    while let Some((header, len)) = header(framing, octets) {
        let Some(payload) = octets[len..].get(..usize::from(header.len)) else {
            return;
        };
        round_trip(framing, &header, &octets[..len], payload);
        octets = &octets[len + payload.len()..];
    }
}

/// Decodes a header: what is missing is asked for, and never more than that.
fn header(framing: Framing, octets: &[u8]) -> Option<(FrameHeader, usize)> {
    match framing.decode_header(octets) {
        Ok(Decoded::Done(header, len)) => {
            assert!((2..=octets.len().min(Framing::MAX_HEADER)).contains(&len));
            for cut in 0..len {
                match framing.decode_header(&octets[..cut]) {
                    Ok(Decoded::Need(missing)) => assert!((1..=len - cut).contains(&missing)),
                    other => panic!("{cut} octets of {len} decode to {other:?}"),
                }
            }
            Some((header, len))
        }
        Ok(Decoded::Need(missing)) => {
            assert!(missing > 0 && octets.len() + missing <= Framing::MAX_HEADER);
            None
        }
        Err(error) => {
            // Nothing that follows makes a header of it.
            let longer = [octets, &[1; 600]].concat();
            assert_eq!(framing.decode_header(&longer), Err(error));
            None
        }
    }
}

/// What was decoded is encoded to the same octets, up to the form of names, unless it is longer than peers take.
fn round_trip(framing: Framing, header: &FrameHeader, octets: &[u8], payload: &[u8]) {
    let address = match &header.address {
        None => {
            assert_eq!(framing, Framing::Connected);
            Address::UNSPECIFIED
        }
        Some(Ok(address)) => address.clone(),
        Some(Err(_)) => return,
    };
    canonical(&address);
    let most = framing.max_payload(&address);
    let Some(encoded) = framing.encode_header(&address, payload.len()) else {
        assert!(payload.len() > most, "{} octets fit", payload.len());
        return;
    };
    assert!(payload.len() <= most || framing != Framing::ForwardUdp);
    assert_eq!(
        framing.decode_header(&encoded),
        Ok(Decoded::Done(header.clone(), encoded.len()))
    );
    // A name comes out in normal form, and as an address where it was one.
    let was_name = match framing {
        Framing::Connected => false,
        Framing::Addressed => octets[0] == 2,
        Framing::ForwardUdp => octets[3] == 3,
    };
    if !was_name {
        assert_eq!(&*encoded, octets);
    }
}
