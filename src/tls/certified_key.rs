use std::{fmt, path::Path, sync::Arc, time::SystemTime};

use tokio_rustls::rustls::sign;

use super::{Certificate, InvalidTls, pem, provider};

/// A private key with the chain of certificates that belongs to it: who a server is, or a client.
///
/// Making one checks all that can be checked: that both parse, and that the key is that of the first
/// certificate. A certificate that has expired or is not valid yet is used all the same, with a warning in the log.
/// Clones share the key, which is never printed.
#[derive(Clone)]
pub struct CertifiedKey {
    pub(super) key: Arc<sign::CertifiedKey>,
    names: Arc<[String]>,
    valid: (SystemTime, SystemTime),
}

impl CertifiedKey {
    /// Takes a chain, the certificate of the key first, and the key: PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    ///
    /// When one of them is malformed or not there, when the key is encrypted or of a kind that is not known, or
    /// when it is not that of the certificate.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidTls> {
        let chain = pem::certificates(chain)?;
        Self::checked(chain, pem::key(key)?)
    }

    /// Reads both from files of PEM, of at most 8 MiB; they may be the same. Blocks the thread for as long as the
    /// disk takes.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), with the name of the file, and when one cannot be read.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, InvalidTls> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let parsed = pem::certificates(&pem::read(chain)?).map_err(|error| error.in_file(chain))?;
        let private = pem::key(&pem::read(key)?).map_err(|error| error.in_file(key))?;
        Self::checked(parsed, private).map_err(|error| error.in_file(chain))
    }

    fn checked(
        chain: Vec<super::rustls::pki_types::CertificateDer<'static>>,
        key: super::rustls::pki_types::PrivateKeyDer<'static>,
    ) -> Result<Self, InvalidTls> {
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| InvalidTls::new("the private key cannot be used").because(error))?;
        let first = chain.first().cloned();
        let certificate = first
            .and_then(Certificate::new)
            .ok_or(InvalidTls::new("the certificate is malformed"))?;
        let key = sign::CertifiedKey::new(chain, key);
        key.keys_match().map_err(|error| {
            InvalidTls::new("the private key is not that of the certificate").because(error)
        })?;
        let valid = certificate.validity();
        let names = certificate.dns_names();
        let (from, until) = valid;
        let now = SystemTime::now();
        if now > until {
            tracing::warn!(names = ?names, "a certificate of ours has expired: clients will refuse it");
        } else if now < from {
            tracing::warn!(names = ?names, "a certificate of ours is not valid yet: clients will refuse it");
        }
        Ok(Self {
            key: Arc::new(key),
            names: names.into(),
            valid,
        })
    }

    /// Returns the DNS names of the certificate, some of which may begin with `*.`.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns when the certificate expires.
    #[must_use]
    pub const fn expires(&self) -> SystemTime {
        self.valid.1
    }
}

impl fmt::Debug for CertifiedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertifiedKey")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
