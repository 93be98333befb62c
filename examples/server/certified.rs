//! Clients whose certificate says who they are, where a listener's `tls` has `identity`.

use tower_socks::{Identity, io::TlsStream, session::Accepted, tls::TlsInfo};

/// What the certificate of a client says, in the extensions of its connection.
pub(crate) struct Certified {
    name: Option<Box<str>>,
}

/// In the extensions of an identity that a certificate has proved: its authority vouches for it, and the file need not
/// know it.
pub(crate) struct ByCertificate;

impl Certified {
    /// The identity; `None` if the certificate has no common name, or several.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let mut identity = Identity::named(self.name.as_deref()?);
        identity.extensions_mut().insert(ByCertificate);
        Some(identity)
    }
}

/// Notes what the certificate says, if the client has shown one.
pub(crate) fn note(mut accepted: Accepted<TlsStream>) -> Accepted<TlsStream> {
    let info = accepted.extensions.get::<TlsInfo>();
    if let Some(certificate) = info.and_then(|info| info.certificate.as_ref()) {
        let name = certificate.common_name();
        // As long as the names of users are.
        let name = name.filter(|name| (1..=255).contains(&name.len()));
        let name = name.map(Into::into);
        accepted.extensions.insert(Certified { name });
    }
    accepted
}
