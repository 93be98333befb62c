//! What the first octets of a client look like, which should have been TLS.

/// Returns the protocol that these are the first octets of.
pub(super) fn looks_like(octets: &[u8]) -> Option<&'static str> {
    match octets {
        [5, ..] => Some("SOCKS5"),
        [4, ..] => Some("SOCKS4"),
        _ if octets.starts_with(b"PROXY ") => Some("a PROXY header"),
        [0x0d, 0x0a, 0x0d, 0x0a, 0, ..] => Some("a PROXY header"),
        _ if octets.starts_with(b"SSH-") => Some("SSH"),
        [b'A'..=b'Z', b'A'..=b'Z', ..] => Some("HTTP"),
        _ => None,
    }
}
