use std::{fmt, sync::Arc};

use super::{Authenticate, AuthenticateStated};
use crate::{
    error::{AuthError, BoxError},
    io::ClientStream,
    proto::Method,
    session::{Extensions, Identity, Negotiation, Stated},
    tls::{Certificate, TlsInfo},
};

/// Authenticates by the client's certificate, which [`TlsLayer`](crate::layer::tls::TlsLayer) has verified: X'00', since
/// nothing is left to be said.
///
/// A function says whose a certificate is, or that it is nobody's. That is asked more than once for a client, and has
/// to answer at once. Clients without a certificate of somebody's are left to the next method of a
/// tuple: in `(ClientCertificate::new(..), UserPass::new(users))` to their password. In HTTP and SOCKS4, what a client
/// states is not looked at where its certificate says who it is.
///
/// ```
/// use tower_socks::{AuthLayer, Identity, layer::auth::ClientCertificate};
///
/// let staff = ClientCertificate::new(|certificate| {
///     let name = certificate.common_name()?;
///     name.strip_suffix("@example.com").map(|name| Identity::named(name).with_groups(["staff"]))
/// });
/// let layer = AuthLayer::new(staff);
/// # _ = layer;
/// ```
#[derive(Clone)]
pub struct ClientCertificate {
    whose: Arc<Whose>,
}

type Whose = dyn Fn(&Certificate) -> Option<Identity> + Send + Sync;

impl ClientCertificate {
    /// Creates the method with the function that says whose a certificate is.
    pub fn new<F>(whose: F) -> Self
    where
        F: Fn(&Certificate) -> Option<Identity> + Send + Sync + 'static,
    {
        Self {
            whose: Arc::new(whose),
        }
    }

    /// Whose the certificate of a connection is.
    fn identity(&self, extensions: &Extensions) -> Option<Identity> {
        let info = extensions.get::<TlsInfo>();
        let Some(certificate) = info.and_then(|info| info.certificate.as_ref()) else {
            tracing::debug!("the client has no certificate");
            return None;
        };
        let identity = (self.whose)(certificate);
        if identity.is_none() {
            let subject = certificate.subject();
            tracing::debug!(?subject, "the client's certificate is nobody's");
        }
        identity
    }
}

impl<Io: ClientStream> Authenticate<Io> for ClientCertificate {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        let offered = negotiation.offered.contains(Method::NO_AUTHENTICATION);
        let known = offered && self.identity(&negotiation.extensions).is_some();
        known.then_some(Method::NO_AUTHENTICATION)
    }

    async fn authenticate(
        &self,
        _: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        let identity = self.identity(&negotiation.extensions);
        // It was somebody's when the method was selected.
        let identity = identity.ok_or(AuthError::NoAcceptableMethod)?;
        Ok((negotiation.io, identity))
    }
}

impl AuthenticateStated for ClientCertificate {
    async fn authenticate_stated(
        &self,
        negotiation: &Negotiation<Stated>,
    ) -> Result<Identity, BoxError> {
        let identity = self.identity(&negotiation.extensions);
        identity.ok_or(AuthError::NoAcceptableMethod.into())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}
