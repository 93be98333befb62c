use std::fmt;

use libgssapi::{
    context::{ClientCtx, CtxFlags, SecurityContext},
    credential::{Cred, CredUsage},
    name::Name,
    oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet},
};

use super::{
    context::{KerberosContext, Side},
    failure::Failure,
};
use crate::{
    error::BoxError,
    gssapi::{Establishment, Initiator, Step},
    proto::Command,
};

/// Kerberos from the client's side. See the [module](super).
#[derive(Debug, Clone)]
pub struct KerberosInitiator {
    target: String,
    principal: Option<String>,
    delegates: bool,
}

impl KerberosInitiator {
    /// Creates an initiator for a service on a proxy's host: `socks` by RFC 1961, `rcmd` for servers that
    /// only have what curl and dante ask for.
    ///
    /// The host is the name that the proxy's key is for, most often its full name in DNS.
    #[must_use]
    pub fn service_on(service: &str, host: &str) -> Self {
        Self {
            target: format!("{service}@{host}"),
            principal: None,
            delegates: false,
        }
    }

    /// Uses the tickets of one principal, such as `joe@EXAMPLE.COM`, where there are several. By default the library
    /// chooses, which it does by the realm of the proxy.
    #[must_use]
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Hands tickets over to the proxy, which can act as the user anywhere then, if they are forwardable. RFC 1961 section 3.2
    /// asks each client to. By default nothing is delegated.
    #[must_use]
    pub const fn delegate(mut self, delegates: bool) -> Self {
        self.delegates = delegates;
        self
    }

    fn credentials(&self) -> Result<Cred, Failure> {
        let failed = |error| Failure::new("ticket", error);
        let mut kerberos = OidSet::new();
        kerberos.add(GSS_MECH_KRB5).map_err(failed)?;
        let name = self
            .principal
            .as_ref()
            .map(|name| Name::new(name.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)));
        let name = name.transpose().map_err(failed)?;
        Cred::acquire(name.as_ref(), None, CredUsage::Initiate, Some(&kerberos)).map_err(failed)
    }
}

impl Initiator for KerberosInitiator {
    type Establishment = KerberosInitiation;

    fn initiate(&self, command: Command) -> Result<KerberosInitiation, BoxError> {
        let target = Name::new(self.target.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE));
        let target = target.map_err(|error| Failure::new("name of the proxy", error))?;
        let mut flags = CtxFlags::GSS_C_MUTUAL_FLAG
            | CtxFlags::GSS_C_REPLAY_FLAG
            | CtxFlags::GSS_C_CONF_FLAG
            | CtxFlags::GSS_C_INTEG_FLAG;
        flags.set(
            CtxFlags::GSS_C_SEQUENCE_FLAG,
            command != Command::UDP_ASSOCIATE,
        );
        flags.set(CtxFlags::GSS_C_DELEG_FLAG, self.delegates);
        let credentials = self.credentials()?;
        Ok(KerberosInitiation {
            context: ClientCtx::new(Some(credentials), target, flags, Some(GSS_MECH_KRB5)),
            begun: false,
        })
    }
}

/// A context that a [`KerberosInitiator`] is establishing with a proxy.
pub struct KerberosInitiation {
    context: ClientCtx,
    begun: bool,
}

impl Establishment for KerberosInitiation {
    type Context = KerberosContext;

    fn step(mut self, token: &[u8]) -> Result<Step<Self>, BoxError> {
        let refused = |reason: &str| Failure::own("proxy", reason);
        let token = match (self.begun, token.is_empty()) {
            (false, _) => None,
            (true, false) => Some(token),
            (true, true) => return Err(refused("it sent an empty token").into()),
        };
        self.begun = true;
        let what = if token.is_none() {
            "ticket for the proxy"
        } else {
            "answer of the proxy"
        };
        let answer = self.context.step(token, None);
        let answer = answer.map_err(|error| Failure::new(what, error))?;
        let token = answer.map(|answer| answer.to_vec());
        if !self.context.is_complete() {
            return Ok(Step::Continue {
                token: token.unwrap_or_default(),
                next: self,
            });
        }
        let failed = |error| Failure::new("proxy", error);
        let flags = self.context.flags().map_err(failed)?;
        if !flags.contains(CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_INTEG_FLAG) {
            return Err(refused("it has not proven who it is").into());
        }
        let peer = self.context.target_name().map_err(failed)?;
        let peer = peer.display_name().map_err(failed)?;
        let peer = String::from_utf8_lossy(&peer).into_owned();
        Ok(Step::Done {
            token,
            context: KerberosContext::new(Side::Client(self.context), flags)?,
            peer,
        })
    }
}

impl fmt::Debug for KerberosInitiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerberosInitiation")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}
