use std::{fmt, path::Path, sync::Arc, time::SystemTime};

use tokio_rustls::rustls::{RootCertStore, pki_types::CertificateRevocationListDer};
use x509_parser::{prelude::FromDer, revocation_list::CertificateRevocationList};

use super::{Certificate, InvalidTls, certificate, pem};

/// Whom to believe that a certificate is genuine: roots, and lists of what they have revoked.
#[derive(Clone)]
pub struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) crls: Vec<CertificateRevocationListDer<'static>>,
    /// When the first of them expires.
    expires: Option<SystemTime>,
    /// When the first list is out of date.
    crls_expire: Option<SystemTime>,
}

impl Authorities {
    /// Takes roots in PEM.
    ///
    /// # Errors
    ///
    /// When there is none, or one is malformed.
    pub fn from_pem(roots: &[u8]) -> Result<Self, InvalidTls> {
        let mut store = RootCertStore::empty();
        let mut expires: Option<SystemTime> = None;
        for root in pem::certificates(roots)? {
            if let Some(root) = Certificate::new(root.clone()) {
                let (_, until) = root.validity();
                expires = Some(expires.map_or(until, |first| first.min(until)));
            }
            store.add(root).map_err(|error| {
                InvalidTls::new("a root certificate is malformed").because(error)
            })?;
        }
        Ok(Self {
            expires,
            ..Self::of(store)
        })
    }

    /// Reads roots from a file of PEM, of at most 8 MiB. Blocks the thread for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), with the name of the file, and when it cannot be read.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, InvalidTls> {
        let file = file.as_ref();
        Self::from_pem(&pem::read(file)?).map_err(|error| error.in_file(file))
    }

    /// Reads the roots of the platform: the system's store, or the file of the variable `SSL_CERT_FILE`. Blocks the
    /// thread, for some milliseconds as a rule.
    ///
    /// # Errors
    ///
    /// When there is none at all. Those that cannot be used are left out.
    pub fn of_platform() -> Result<Self, InvalidTls> {
        let mut found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let (added, left_out) = store.add_parsable_certificates(found.certs);
        if added == 0 {
            let error = InvalidTls::new("the platform has no root certificates");
            return Err(match found.errors.pop() {
                Some(source) => error.because(source),
                None => error,
            });
        }
        if left_out > 0 || !found.errors.is_empty() {
            tracing::debug!(
                added,
                left_out,
                errors = found.errors.len(),
                "root certificates were left out"
            );
        }
        Ok(Self::of(store))
    }

    /// Adds certificate revocation lists in PEM, for the certificates of clients. A certificate is refused then
    /// unless there is a list of its authority, and of each authority between that and a root; that a list is out of
    /// date is not looked at.
    ///
    /// # Errors
    ///
    /// When there is none, or the PEM is malformed.
    pub fn with_crls(mut self, pem: &[u8]) -> Result<Self, InvalidTls> {
        for crl in pem::crls(pem)? {
            let until = next_update(&crl);
            self.crls_expire = self.crls_expire.into_iter().chain(until).min();
            self.crls.push(crl);
        }
        Ok(self)
    }

    /// Returns when the first of the lists of revoked certificates is out of date: when its authority has said that it
    /// issues the next one. `None` without lists, and where none says so. A list goes on to be believed after that.
    #[must_use]
    pub const fn crls_expire(&self) -> Option<SystemTime> {
        self.crls_expire
    }

    /// Returns when the first of the roots expires; `None` for those of the platform, which are kept by others. What an
    /// authority has signed is believed after that all the same: rustls looks at the certificates below it.
    #[must_use]
    pub const fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    fn of(store: RootCertStore) -> Self {
        Self {
            roots: Arc::new(store),
            crls: Vec::new(),
            expires: None,
            crls_expire: None,
        }
    }
}

/// When a list is out of date; `None` where it does not say so, or cannot be read.
fn next_update(crl: &CertificateRevocationListDer<'_>) -> Option<SystemTime> {
    let (_, list) = CertificateRevocationList::from_der(crl).ok()?;
    Some(certificate::time(list.next_update()?.timestamp()))
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities")
            .field("roots", &self.roots.len())
            .field("crls", &self.crls.len())
            .finish()
    }
}
