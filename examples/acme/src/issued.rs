//! A certificate that an authority has issued.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tower_socks::{
    BoxError,
    tls::{CertifiedKey, ServerSettings, rustls::ServerConfig},
};
use x509_parser::pem::parse_x509_pem;

/// A chain of certificates and its key, in PEM.
#[derive(Clone)]
pub struct Issued {
    pem: String,
    /// When it is time for the next one.
    pub(crate) due: SystemTime,
    key: CertifiedKey,
}

impl Issued {
    /// Takes PEM with a chain and a key, which are checked.
    pub fn new(pem: String) -> Result<Self, BoxError> {
        let key = CertifiedKey::from_pem(pem.as_bytes(), pem.as_bytes())?;
        let (_, first) = parse_x509_pem(pem.as_bytes())?;
        let certificate = first.parse_x509()?;
        let validity = certificate.validity();
        let (begin, end) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        // A third of its time is left for an authority that cannot be reached.
        let due = u64::try_from(begin + end.saturating_sub(begin) / 3 * 2)?;
        Ok(Self {
            pem,
            due: UNIX_EPOCH + Duration::from_secs(due),
            key,
        })
    }

    /// Returns the PEM, in which is the key.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns how long it can still be used before the next one is asked for.
    pub fn due_in(&self, now: SystemTime) -> Duration {
        self.due.duration_since(now).unwrap_or_default()
    }

    /// Makes a configuration of it, for [`TlsLayer`](tower_socks::layer::tls::TlsLayer).
    pub fn config(&self) -> Result<Arc<ServerConfig>, BoxError> {
        Ok(ServerSettings::new(self.key.clone()).build()?)
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
