use std::sync::Arc;

use tokio_rustls::rustls::{
    ServerConfig,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{Authorities, CertifiedKey, InvalidTls, by_name::ByName, provider};

/// The settings of a server: its keys, and what it asks of clients.
///
/// Sessions can be resumed, by the newest 256 of them that are kept in memory. Each configuration has a memory of
/// its own: after a change of [`client_certificates`](Self::client_certificates) no client comes in by what
/// was believed before.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    keys: Vec<CertifiedKey>,
    clients: ClientCertificates,
    alpn: Vec<Vec<u8>>,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    Unasked,
    /// They are asked, and one that is not of these authorities fails the handshake. A client without any comes
    /// in, and has to authenticate by other means.
    Optional(Authorities),
    /// The handshake fails without a certificate of these authorities.
    Required(Authorities),
}

impl ServerSettings {
    /// Creates settings with one key, which does not ask for certificates of clients, and that speaks `http/1.1`
    /// with clients that ask for a protocol (ALPN); those of SOCKS do not.
    #[must_use]
    pub fn new(key: CertifiedKey) -> Self {
        Self {
            keys: vec![key],
            clients: ClientCertificates::Unasked,
            alpn: vec![b"http/1.1".to_vec()],
        }
    }

    /// Adds a key, for clients that ask for one of its names (SNI). Of several keys for a name, such as one of ECDSA
    /// and one of RSA, the first that the client can verify is used; the first of all is for clients that ask for
    /// none of the names.
    #[must_use]
    pub fn and(mut self, key: CertifiedKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Sets whether clients have to show a certificate.
    #[must_use]
    pub fn client_certificates(mut self, clients: ClientCertificates) -> Self {
        self.clients = clients;
        self
    }

    /// Sets the protocols of clients that ask for one (ALPN), the preferred one first. The handshake of a client that
    /// asks for others alone fails; with none, what clients ask for is not looked at.
    #[must_use]
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Makes a configuration for a [`TlsLayer`](crate::layer::tls::TlsLayer).
    ///
    /// # Errors
    ///
    /// When the authorities or their lists of what is revoked cannot be used.
    pub fn build(self) -> Result<Arc<ServerConfig>, InvalidTls> {
        let versions = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                InvalidTls::new("the cryptography has no version of TLS").because(error)
            })?;
        let mut config = versions
            .with_client_cert_verifier(self.clients.verifier()?)
            .with_cert_resolver(Arc::new(ByName::new(self.keys)));
        config.alpn_protocols = self.alpn;
        Ok(Arc::new(config))
    }
}

impl ClientCertificates {
    fn verifier(self) -> Result<Arc<dyn ClientCertVerifier>, InvalidTls> {
        let (authorities, optional) = match self {
            Self::Unasked => return Ok(Arc::new(NoClientAuth)),
            Self::Optional(authorities) => (authorities, true),
            Self::Required(authorities) => (authorities, false),
        };
        let Authorities { roots, crls, .. } = authorities;
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(roots, provider()).with_crls(crls);
        if optional {
            verifier = verifier.allow_unauthenticated();
        }
        verifier
            .build()
            .map(|verifier| verifier as _)
            .map_err(|error| {
                InvalidTls::new("the authorities of clients cannot be used").because(error)
            })
    }
}
