use tokio_rustls::rustls::{CipherSuite, CommonState, ProtocolVersion, pki_types::CertificateDer};

use super::Certificate;

/// What a TLS handshake with a client has agreed on.
///
/// [`TlsLayer`](crate::layer::tls::TlsLayer) puts it into the extensions of the connection, and so into those of
/// [`Negotiation`](crate::session::Negotiation), [`Credentials`](crate::Credentials) and
/// [`Request`](crate::Request).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The name of the server that the client asked for (SNI), in small letters. It is what the client says, and
    /// proves nothing.
    pub server_name: Option<Box<str>>,
    /// The protocol that was agreed on (ALPN), such as `http/1.1`.
    pub alpn: Option<Box<[u8]>>,
    /// The version of TLS.
    pub version: Option<ProtocolVersion>,
    /// The cipher suite.
    pub cipher_suite: Option<CipherSuite>,
    /// The client's certificate, which the handshake has verified; `None` where the client has none.
    pub certificate: Option<Certificate>,
    /// The client's certificate, and the rest of the chain that it has sent.
    pub chain: Vec<CertificateDer<'static>>,
}

impl TlsInfo {
    pub(super) fn new(session: &CommonState, server_name: Option<&str>) -> Self {
        let chain = session.peer_certificates().unwrap_or_default();
        Self {
            server_name: server_name.map(|name| name.to_ascii_lowercase().into()),
            alpn: session.alpn_protocol().map(Into::into),
            version: session.protocol_version(),
            cipher_suite: session.negotiated_cipher_suite().map(|suite| suite.suite()),
            certificate: chain.first().cloned().and_then(Certificate::new),
            chain: chain.to_vec(),
        }
    }
}
