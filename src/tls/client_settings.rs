use std::sync::Arc;

use tokio_rustls::rustls::{
    ClientConfig,
    client::{ResolvesClientCert, WebPkiServerVerifier},
    sign,
};

use super::{Authorities, CertifiedKey, InvalidTls, provider};

/// The settings of a client: whom it believes, and who it is.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    authorities: Authorities,
    key: Option<CertifiedKey>,
}

impl ClientSettings {
    /// Creates settings that believe these authorities, without a certificate of our own.
    #[must_use]
    pub const fn new(authorities: Authorities) -> Self {
        Self {
            authorities,
            key: None,
        }
    }

    /// Creates settings that believe those of the platform: see [`Authorities::of_platform`].
    ///
    /// # Errors
    ///
    /// When it has none.
    pub fn of_platform() -> Result<Self, InvalidTls> {
        Authorities::of_platform().map(Self::new)
    }

    /// Shows this certificate to servers that ask for one.
    #[must_use]
    pub fn certificate(mut self, key: CertifiedKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Makes a configuration for a [`TlsConnector`](crate::connector::tls::TlsConnector).
    ///
    /// # Errors
    ///
    /// When the authorities cannot be used.
    pub fn build(self) -> Result<Arc<ClientConfig>, InvalidTls> {
        let Authorities { roots, crls, .. } = self.authorities;
        let versions = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                InvalidTls::new("the cryptography has no version of TLS").because(error)
            })?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .with_crls(crls)
            .build()
            .map_err(|error| InvalidTls::new("the authorities cannot be used").because(error))?;
        let config = versions.with_webpki_verifier(verifier);
        Ok(Arc::new(match self.key {
            Some(key) => config.with_client_cert_resolver(Arc::new(Own(key))),
            None => config.with_no_client_auth(),
        }))
    }
}

/// Shows one certificate to all.
#[derive(Debug)]
struct Own(CertifiedKey);

impl ResolvesClientCert for Own {
    fn resolve(
        &self,
        _: &[&[u8]],
        schemes: &[super::rustls::SignatureScheme],
    ) -> Option<Arc<sign::CertifiedKey>> {
        let key = &self.0.key;
        key.key.choose_scheme(schemes).map(|_| Arc::clone(key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
