//! The steps of a session.

use std::fmt;

/// The step of a session that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Reading the header of the PROXY protocol.
    ProxyHeader,
    /// The TLS handshake with the client.
    Tls,
    /// Version identifier and method selection (RFC 1928 section 3).
    Greeting,
    /// The sub-negotiation of the selected method.
    Authentication,
    /// Reading the request (RFC 1928 section 4).
    Request,
    /// Executing the request.
    Dial,
    /// Writing the reply (RFC 1928 section 6).
    Reply,
    /// Moving bytes.
    Relay,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProxyHeader => "PROXY header",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Authentication => "authentication",
            Self::Request => "request",
            Self::Dial => "dial",
            Self::Reply => "reply",
            Self::Relay => "relay",
        })
    }
}
