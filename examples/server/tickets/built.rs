use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tower_socks::{
    BoxError, Identity,
    gssapi::kerberos::KerberosMechanism,
    io::ClientStream,
    layer::auth::{Authenticate, Gssapi},
    proto::{Method, ProtectionLevel},
    session::Negotiation,
};

use super::{ByTicket, keytab};

/// What a client's stream is behind the sub-negotiation: in a box, since it may be inside a security context. Relays see
/// through the box.
pub(crate) type Stream<Io> = <Gssapi<KerberosMechanism> as Authenticate<Io>>::Stream;

/// One that is not.
pub(crate) fn in_clear<Io: ClientStream>(io: Io) -> Stream<Io> {
    io.boxed()
}

/// `[gssapi]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// Whose keys they are, on each host of which the keytab has one.
    #[serde(default = "socks")]
    service: String,
    /// On this one only.
    host: Option<String>,
    /// The library's, if it is left out.
    keytab: Option<PathBuf>,
    /// In order of preference.
    #[serde(default = "levels")]
    levels: Vec<Level>,
    #[serde(default)]
    allow_clear: bool,
    #[serde(default)]
    allow_nec: bool,
    /// All that the KDC knows or trusts, if it is left out.
    realms: Option<Vec<String>>,
    /// Of clients that offer both.
    #[serde(default)]
    prefer_passwords: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Level {
    Integrity,
    Confidentiality,
    Selective,
}

fn socks() -> String {
    "socks".to_owned()
}

fn levels() -> Vec<Level> {
    vec![Level::Confidentiality, Level::Integrity]
}

impl Table {
    pub(super) fn keytab(&self) -> Option<&Path> {
        self.keytab.as_deref()
    }

    /// Makes a method of it.
    ///
    /// # Errors
    ///
    /// Nobody could log in: there is no key, or no level is allowed.
    pub(crate) fn stated(self) -> Result<Stated, String> {
        let of = |problem: &dyn fmt::Display| format!("gssapi, {problem}");
        if self.levels.is_empty() && !self.allow_clear {
            return Err(of(&"levels: none is allowed, so that nobody could log in"));
        }
        if self.realms.as_ref().is_some_and(Vec::is_empty) {
            return Err(of(&"realms: there is none, so that nobody could log in"));
        }
        keytab::check(self.keytab()).map_err(|it| format!("gssapi, keytab: {it}"))?;
        let mechanism = match &self.host {
            Some(host) => KerberosMechanism::service_on(&self.service, host),
            None => KerberosMechanism::service(&self.service),
        };
        mechanism.check().map_err(|it| of(&it))?;
        let levels = self.levels.iter().map(|level| match level {
            Level::Integrity => ProtectionLevel::INTEGRITY,
            Level::Confidentiality => ProtectionLevel::CONFIDENTIALITY,
            Level::Selective => ProtectionLevel::SELECTIVE,
        });
        let realms = self.realms.clone();
        let mut method = Gssapi::new(mechanism)
            .levels(levels)
            .identity(move |principal| identify(principal, realms.as_deref()));
        if self.allow_clear {
            method = method.allow_clear();
        }
        if self.allow_nec {
            method = method.allow_nec();
        }
        Ok(Stated {
            table: self,
            method,
        })
    }
}

/// Who a client is: all of `joe@EXAMPLE.COM`, with a sign that a ticket has proved it.
fn identify(principal: &str, realms: Option<&[String]>) -> Result<Identity, BoxError> {
    if !is_of(principal, realms) {
        return Err(format!("{principal:?} is of another realm").into());
    }
    let mut identity = Identity::named(principal);
    identity.extensions_mut().insert(ByTicket);
    Ok(identity)
}

fn is_of(principal: &str, realms: Option<&[String]>) -> bool {
    let Some(realms) = realms else {
        return true;
    };
    // An at sign in a name has a backslash in front.
    let realm = principal.rsplit_once('@').map(|(_, realm)| realm);
    realm.is_some_and(|realm| realms.iter().any(|one| one == realm))
}

/// A table that can be served.
#[derive(Clone)]
pub(crate) struct Stated {
    table: Table,
    method: Gssapi<KerberosMechanism>,
}

impl Stated {
    pub(crate) fn select<Io: ClientStream>(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        self.method.select(negotiation)
    }

    pub(crate) async fn authenticate<Io: ClientStream>(
        &self,
        negotiation: Negotiation<Io>,
    ) -> Result<(Stream<Io>, Identity), BoxError> {
        self.method.authenticate(Method::GSSAPI, negotiation).await
    }

    pub(crate) const fn prefers_passwords(&self) -> bool {
        self.table.prefer_passwords
    }

    /// Whether who has come in by a ticket still does.
    pub(crate) fn admits(&self, principal: &[u8]) -> bool {
        let principal = str::from_utf8(principal);
        principal.is_ok_and(|principal| is_of(principal, self.table.realms.as_deref()))
    }

    /// Whether the same is stated, so that the method may stay, with those who wait for it.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.table == other.table
    }

    /// The keytab, where the file states it.
    pub(crate) fn keytab(&self) -> Option<&Path> {
        self.table.keytab()
    }
}

/// For people.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table {
            service,
            host,
            levels,
            allow_clear,
            allow_nec,
            ..
        } = &self.table;
        write!(f, "{service}")?;
        if let Some(host) = host {
            write!(f, "@{host}")?;
        }
        let levels = levels.iter().map(|level| match level {
            Level::Integrity => "integrity",
            Level::Confidentiality => "confidentiality",
            Level::Selective => "selective",
        });
        let levels = levels.chain(allow_clear.then_some("clear"));
        write!(f, ": {}", levels.collect::<Vec<_>>().join(", "))?;
        if *allow_nec {
            f.write_str("; levels may come unprotected")?;
        }
        Ok(())
    }
}
