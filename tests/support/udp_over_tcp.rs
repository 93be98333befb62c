//! UDP over TCP, octet by octet: what clients ask, and frames.

use tower_socks::proto::UdpOverTcp;

pub const V1: &[u8] = b"\x05\x01\x00\x03\x14sp.udp-over-tcp.arpa\x01\xbb";
pub const V2: &[u8] = b"\x05\x01\x00\x03\x17sp.v2.udp-over-tcp.arpa\x01\xbb";
pub const FORWARD_UDP: &[u8] = b"\x05\x05\x00\x01\0\0\0\0\0\0";

/// What a client asks of a SOCKS5 proxy.
pub fn asks_for(protocol: UdpOverTcp) -> &'static [u8] {
    match protocol {
        UdpOverTcp::V1 => V1,
        UdpOverTcp::V2 => V2,
        _ => FORWARD_UDP,
    }
}

fn len(payload: &[u8]) -> [u8; 2] {
    u16::try_from(payload.len()).unwrap().to_be_bytes()
}

/// A frame of versions 1 and 2 from or to 192.0.2.1:53.
pub fn addressed(payload: &[u8]) -> Vec<u8> {
    [b"\x00\xc0\x00\x02\x01\x00\x35", &len(payload)[..], payload].concat()
}

/// A frame of FWD UDP from or to 192.0.2.1:53.
pub fn forwarded(payload: &[u8]) -> Vec<u8> {
    let header = b"\x0a\x01\xc0\x00\x02\x01\x00\x35";
    [&len(payload)[..], header, payload].concat()
}

/// A frame without an address.
pub fn connected(payload: &[u8]) -> Vec<u8> {
    [&len(payload)[..], payload].concat()
}
