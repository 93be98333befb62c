//! `[tls]`: certificates of the server and of its clients.

use std::{fs, path::PathBuf, sync::Arc};

use serde::Deserialize;
use tower_socks::{
    BoxError,
    tls::{Authorities, CertifiedKey, ClientCertificates, ServerSettings, rustls::ServerConfig},
};

use crate::certificates::Certificates;

/// `[tls]`, or that of one listener.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The chain, the server's own certificate first.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The authorities of clients, which are not asked for a certificate where there is none.
    client_ca: Option<PathBuf>,
    /// What these authorities have revoked.
    client_crl: Option<PathBuf>,
    client_certificates: Option<Clients>,
    identity: Option<NamedBy>,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Clients {
    Optional,
    Required,
}

/// What of a certificate says who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NamedBy {
    CommonName,
}

impl Tls {
    /// Looks for fields that mean nothing without another one.
    pub(super) fn check(&self) -> Result<(), String> {
        let stated = [
            ("client_crl", self.client_crl.is_some()),
            ("client_certificates", self.client_certificates.is_some()),
            ("identity", self.identity.is_some()),
        ];
        match stated.into_iter().find(|(_, is_stated)| *is_stated) {
            Some((field, _)) if self.client_ca.is_none() => Err(format!(
                "`{field}` is about certificates of clients, for which `client_ca` is missing"
            )),
            _ => Ok(()),
        }
    }

    /// Whether nobody comes in without a certificate.
    pub(crate) fn requires_certificates(&self) -> bool {
        self.client_ca.is_some() && self.client_certificates != Some(Clients::Optional)
    }

    /// Whether a client's certificate says who it is.
    pub(crate) const fn identifies(&self) -> bool {
        self.identity.is_some()
    }

    /// What is asked of clients, for people.
    pub(super) fn clients(&self) -> &'static str {
        match (&self.client_ca, self.requires_certificates()) {
            (None, _) => "",
            (Some(_), true) => " with certificates of clients",
            (Some(_), false) => " with or without certificates of clients",
        }
    }

    /// A name that the certificate is for. Blocks.
    pub(super) fn name(&self) -> Option<String> {
        let key = CertifiedKey::from_files(&self.certificate, &self.key).ok()?;
        let mut names = key.names().iter();
        names.find(|name| !name.starts_with('*')).cloned()
    }

    /// Reads all files, and says when certificates expire. Blocks.
    pub(crate) fn load(&self) -> Result<(Arc<ServerConfig>, Certificates), BoxError> {
        let key = CertifiedKey::from_files(&self.certificate, &self.key)?;
        let mut expires = Certificates::default();
        expires.add(&self.certificate, Some(key.expires()));
        let mut settings = ServerSettings::new(key);
        if let Some(file) = &self.client_ca {
            let mut authorities = Authorities::from_file(file)?;
            expires.add(file, authorities.expires());
            if let Some(revoked) = &self.client_crl {
                let in_file =
                    |problem: &dyn std::fmt::Display| format!("{}: {problem}", revoked.display());
                let pem = fs::read(revoked).map_err(|error| in_file(&error))?;
                authorities = authorities
                    .with_crls(&pem)
                    .map_err(|error| in_file(&error))?;
                expires.add_lists(revoked, authorities.crls_expire());
            }
            settings = settings.client_certificates(match self.client_certificates {
                Some(Clients::Optional) => ClientCertificates::Optional(authorities),
                Some(Clients::Required) | None => ClientCertificates::Required(authorities),
            });
        }
        Ok((settings.build()?, expires))
    }
}
