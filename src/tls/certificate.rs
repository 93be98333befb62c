use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// A certificate, and the names in it: of a client, once the handshake has verified it.
///
/// Which of the names says who a client is, the authority that signs decides: a
/// [common name](Self::common_name) is any text, and [DNS names](Self::dns_names), [e-mail addresses](Self::emails)
/// and [URIs](Self::uris), such as `spiffe://example.org/job`, are what newer ones use. A
/// [fingerprint](Self::fingerprint) names one certificate and no other.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Takes a certificate that parses.
    pub(super) fn new(der: CertificateDer<'static>) -> Option<Self> {
        match X509Certificate::from_der(&der) {
            Ok(([], _)) => Some(Self(der)),
            _ => None,
        }
    }

    /// Returns the certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// Returns the SHA-256 of the certificate in DER, as 64 hexadecimal digits in small letters: what `openssl x509
    /// -fingerprint -sha256` prints, without the colons.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.0);
        let octets = digest.as_ref().iter();
        octets.map(|octet| format!("{octet:02x}")).collect()
    }

    /// Returns the common name (CN) of the subject, if it has exactly one: which of several counts, nobody has
    /// agreed on.
    #[must_use]
    pub fn common_name(&self) -> Option<String> {
        self.parsed(|certificate| {
            let mut names = certificate.subject().iter_common_name();
            match (names.next(), names.next()) {
                (Some(name), None) => name.as_str().ok().map(str::to_owned),
                _ => None,
            }
        })?
    }

    /// Returns the subject as text, such as `C=DE, O=Example, CN=joe`. Two subjects can look the same: compare
    /// names or fingerprints instead.
    #[must_use]
    pub fn subject(&self) -> String {
        let subject = self.parsed(|certificate| certificate.subject().to_string());
        subject.unwrap_or_default()
    }

    /// Returns the DNS names of the subject (subjectAltName).
    #[must_use]
    pub fn dns_names(&self) -> Vec<String> {
        self.alternative_names(|name| match name {
            GeneralName::DNSName(name) => Some(name),
            _ => None,
        })
    }

    /// Returns the e-mail addresses of the subject (subjectAltName, rfc822Name).
    #[must_use]
    pub fn emails(&self) -> Vec<String> {
        self.alternative_names(|name| match name {
            GeneralName::RFC822Name(name) => Some(name),
            _ => None,
        })
    }

    /// Returns the URIs of the subject (subjectAltName).
    #[must_use]
    pub fn uris(&self) -> Vec<String> {
        self.alternative_names(|name| match name {
            GeneralName::URI(name) => Some(name),
            _ => None,
        })
    }

    fn alternative_names(
        &self,
        of: impl for<'a> Fn(&'a GeneralName<'a>) -> Option<&'a str>,
    ) -> Vec<String> {
        let names = self.parsed(|certificate| {
            let extension = certificate.subject_alternative_name().ok().flatten();
            let names = extension.map(|extension| extension.value.general_names.iter());
            names
                .into_iter()
                .flatten()
                .filter_map(|name| of(name).map(str::to_owned))
                .collect()
        });
        names.unwrap_or_default()
    }

    /// From when until when it is valid.
    pub(super) fn validity(&self) -> (SystemTime, SystemTime) {
        let validity = self.parsed(|certificate| {
            let validity = certificate.validity();
            (
                time(validity.not_before.timestamp()),
                time(validity.not_after.timestamp()),
            )
        });
        validity.unwrap_or((SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH))
    }

    fn parsed<T>(&self, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
        let parsed = X509Certificate::from_der(&self.0).ok();
        parsed.map(|(_, certificate)| read(&certificate))
    }
}

/// A time of seconds since the epoch; the epoch itself where the clock has no such time.
pub(super) fn time(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = match seconds < 0 {
        true => epoch.checked_sub(since),
        false => epoch.checked_add(since),
    };
    time.unwrap_or(epoch)
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?})", self.subject())
    }
}
