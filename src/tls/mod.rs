//! TLS: keys, certificates and settings, for the side of clients and for that of proxies.
//!
//! | | |
//! |---|---|
//! | [`CertifiedKey`] | a private key with its chain of certificates, from PEM, checked |
//! | [`ServerSettings`] | what a server offers: makes the configuration of a [`TlsLayer`](crate::layer::tls::TlsLayer) |
//! | [`ClientSettings`] | whom we trust: makes that of a [`TlsConnector`](crate::connector::tls::TlsConnector) |
//! | [`Authorities`] | the roots of either side: of the platform, or given |
//! | [`TlsInfo`] | what a handshake agreed on, in the extensions of a connection and its requests |
//! | [`Certificate`] | a certificate of a client, and the names in it |
//!
//! Settings make a configuration of rustls ([`rustls`] is re-exported), and layer and connector take any other as
//! well. TLS 1.2 and 1.3 are spoken, by the provider that the process has installed, or else by ring. Early data
//! (0-RTT) are not: an attacker can repeat them.
//!
//! ```
//! use tower_socks::{layer::tls::TlsLayer, tls::{CertifiedKey, ServerSettings}};
//!
//! # fn main() -> Result<(), tower_socks::BoxError> {
//! # let own = rcgen::generate_simple_self_signed(["proxy.example".to_owned()])?;
//! # let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
//! // From files: `CertifiedKey::from_files("chain.pem", "key.pem")`.
//! let key = CertifiedKey::from_pem(chain.as_bytes(), key.as_bytes())?;
//! assert_eq!(key.names(), ["proxy.example"]);
//! let layer = TlsLayer::new(ServerSettings::new(key).build()?);
//! # _ = layer;
//! # Ok(())
//! # }
//! ```

mod authorities;
mod by_name;
mod certificate;
mod certified_key;
mod client_settings;
mod handshake;
mod info;
mod invalid;
mod looks_like;
mod pem;
mod server_settings;

pub use tokio_rustls::rustls;

pub(crate) use self::handshake::{accept, connect};
pub use self::{
    authorities::Authorities,
    certificate::Certificate,
    certified_key::CertifiedKey,
    client_settings::ClientSettings,
    info::TlsInfo,
    invalid::InvalidTls,
    server_settings::{ClientCertificates, ServerSettings},
};

use std::sync::Arc;

/// The cryptography of this process.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    rustls::crypto::CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}
