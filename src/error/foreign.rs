//! Clients of protocols that are not served where they connect.

use std::{error::Error, fmt};

/// The protocol of a client that connects where it is not served, by the first octets that it sends.
///
/// It is a guess, for people who look for what connects there: in the line of the session, and in the
/// label `protocol` of `socks_foreign_connections_total`. Sessions fail with it at the step
/// [`Greeting`](super::Step::Greeting), behind [`SessionError`](super::SessionError).
///
/// ```
/// use tower_socks::error::ForeignProtocol;
///
/// assert_eq!(ForeignProtocol::of(b"GET / HTTP/1.1\r\n"), Some(ForeignProtocol::Http));
/// assert_eq!(ForeignProtocol::of(b"\x16\x03\x01"), Some(ForeignProtocol::Tls));
/// assert_eq!(ForeignProtocol::of(b"PROXY TCP4 "), Some(ForeignProtocol::ProxyHeader));
/// assert_eq!(ForeignProtocol::of(b""), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForeignProtocol {
    /// SOCKS5, where another protocol is served.
    Socks5,
    /// SOCKS4 or SOCKS4a.
    Socks4,
    /// HTTP in clear text, or anything else that begins with a capital letter.
    Http,
    /// TLS, at a port without.
    Tls,
    /// A header of the PROXY protocol, from a load balancer that nobody said would send one.
    ProxyHeader,
    /// SSH.
    Ssh,
    /// None of these, by its first octet.
    Other(u8),
}

/// The signature of a PROXY protocol header, version 2.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

impl ForeignProtocol {
    /// Guesses from the octets that came first, as many as have come. `None` if none has.
    #[must_use]
    pub fn of(octets: &[u8]) -> Option<Self> {
        // Fewer octets than these could as well be a method of HTTP, or a person at a keyboard.
        let begins = |signature: &[u8], least: usize| {
            octets.len() >= least
                && (signature.starts_with(octets) || octets.starts_with(signature))
        };
        Some(match *octets.first()? {
            5 => Self::Socks5,
            4 => Self::Socks4,
            0x16 => Self::Tls,
            b'P' if begins(b"PROXY ", 4) => Self::ProxyHeader,
            b'\r' if begins(PROXY_V2, 5) => Self::ProxyHeader,
            b'S' if begins(b"SSH-", 4) => Self::Ssh,
            b'A'..=b'Z' => Self::Http,
            other => Self::Other(other),
        })
    }

    /// Returns its name: `socks5`, `socks4`, `http`, `tls`, `proxy`, `ssh` or `other`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Socks4 => "socks4",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::ProxyHeader => "proxy",
            Self::Ssh => "ssh",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for ForeignProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socks5 => "SOCKS5 client where SOCKS5 is not served",
            Self::Socks4 => "SOCKS4 client where SOCKS4 is not served",
            Self::Http => "HTTP client where HTTP is not served",
            Self::Tls => "TLS client at a plain port",
            Self::ProxyHeader => "PROXY protocol header where none is expected",
            Self::Ssh => "SSH client at the port of a proxy server",
            Self::Other(octet) => {
                return write!(
                    f,
                    "no protocol that is served begins with octet {octet:#04x}"
                );
            }
        })
    }
}

impl Error for ForeignProtocol {}
