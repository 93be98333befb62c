use std::fmt;

use libgssapi::{
    context::{CtxFlags, SecurityContext, ServerCtx},
    credential::{Cred, CredUsage},
    name::Name,
    oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, OidSet},
};

use super::{
    context::{KerberosContext, Side},
    failure::Failure,
};
use crate::{
    error::{AuthError, BoxError},
    gssapi::{Establishment, Mechanism, Step},
};

/// `GSS_C_DCE_STYLE`, for which the library has no name: other tokens, and one more of them.
const DCE_STYLE: u32 = 0x1000;

/// Kerberos from the server's side. See the [module](super).
#[derive(Debug, Clone)]
pub struct KerberosMechanism {
    name: String,
}

impl KerberosMechanism {
    /// Creates a mechanism for a service such as `socks`, on each host of which the keytab has a key.
    /// `rcmd` is what curl and dante ask for unless they are told otherwise.
    #[must_use]
    pub fn service(service: &str) -> Self {
        Self {
            name: service.to_owned(),
        }
    }

    /// Creates a mechanism for a service on one host: of the keys in the keytab only this one is used.
    #[must_use]
    pub fn service_on(service: &str, host: &str) -> Self {
        Self {
            name: format!("{service}@{host}"),
        }
    }

    /// Looks whether there is a key for the service, as each client needs it. Blocks its thread while a file is read.
    ///
    /// # Errors
    ///
    /// Says what is missing: the keytab, or the service in it.
    pub fn check(&self) -> Result<(), BoxError> {
        self.credentials().map(drop).map_err(Into::into)
    }

    /// Reads them anew for each client: a keytab that was replaced or mended is used at once.
    fn credentials(&self) -> Result<Cred, Failure> {
        let failed = |error| Failure::new("keytab", error);
        let name = Name::new(self.name.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE));
        let mut kerberos = OidSet::new();
        kerberos.add(GSS_MECH_KRB5).map_err(failed)?;
        let name = name.map_err(failed)?;
        Cred::acquire(Some(&name), None, CredUsage::Accept, Some(&kerberos)).map_err(failed)
    }
}

impl Mechanism for KerberosMechanism {
    type Establishment = KerberosAcceptance;

    fn accept(&self) -> Result<KerberosAcceptance, BoxError> {
        let credentials = self.credentials();
        let credentials = credentials.map_err(|error| AuthError::Verifier(error.into()))?;
        Ok(KerberosAcceptance {
            context: ServerCtx::new(Some(credentials)),
        })
    }
}

/// A context that a [`KerberosMechanism`] is establishing with a client.
pub struct KerberosAcceptance {
    context: ServerCtx,
}

impl Establishment for KerberosAcceptance {
    type Context = KerberosContext;

    fn step(mut self, token: &[u8]) -> Result<Step<Self>, BoxError> {
        let refused = |reason: &str| Failure::own("client", reason);
        if token.is_empty() {
            return Err(refused("it sent an empty token").into());
        }
        let answer = self.context.step(token, None);
        let answer = answer.map_err(|error| Failure::new("ticket of the client", error))?;
        // What a client delegates is not used.
        drop(self.context.take_delegated_cred());
        let token = answer.map(|answer| answer.to_vec());
        if !self.context.is_complete() {
            return Ok(Step::Continue {
                token: token.unwrap_or_default(),
                next: self,
            });
        }
        let failed = |error| Failure::new("client", error);
        let flags = self.context.flags().map_err(failed)?;
        if !flags.contains(CtxFlags::GSS_C_INTEG_FLAG) {
            return Err(refused("its context protects nothing").into());
        }
        if flags.contains(CtxFlags::GSS_C_ANON_FLAG) {
            return Err(refused("it is anonymous").into());
        }
        if flags.bits() & DCE_STYLE != 0 {
            return Err(refused("it asks for a context in the style of DCE").into());
        }
        let peer = self.context.source_name().map_err(failed)?;
        let peer = peer.display_name().map_err(failed)?;
        let peer = std::str::from_utf8(&peer);
        let peer = peer
            .map_err(|_| refused("its name is no UTF-8"))?
            .to_owned();
        Ok(Step::Done {
            token,
            context: KerberosContext::new(Side::Server(self.context), flags)?,
            peer,
        })
    }
}

impl fmt::Debug for KerberosAcceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerberosAcceptance").finish_non_exhaustive()
    }
}
