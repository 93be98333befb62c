//! The errors of lookups.

use std::{error::Error, fmt, sync::Arc};

use super::{BoxError, Fault, client::ClientError};
use crate::proto::{DomainName, ReplyCode};

/// Says why a name has led to no address, or an address to no name: the error of the resolvers of
/// [this crate](crate::connector::resolve).
///
/// Its [kind](Self::kind) says whose fault that was, and the reply code follows from it: 04 where it is the
/// name's, 01 where it is ours, which is logged as such, or an upstream's.
#[derive(Clone, Debug)]
pub struct LookupError {
    name: DomainName,
    kind: LookupErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kinds of [`LookupError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupErrorKind {
    /// There is no such name, or it has no address. 04.
    NotFound,
    /// No name server has an answer for this name, while they have one for others: those of the name's own
    /// domain are silent or broken, which is nobody's fault here. 04.
    NoAnswer,
    /// No name server has an answer for any name: they are down, or cannot be reached. 01.
    NameServers,
    /// This machine could not ask: no descriptors, no memory, a hosts file that cannot be read. 01.
    System,
    /// The upstream that was asked cannot be reached, or did not tell: the source is its
    /// [`ClientError`](crate::ClientError). 02 and 06 where it replied so, and 01 otherwise.
    Upstream,
}

impl LookupErrorKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::NotFound,
        Self::NoAnswer,
        Self::NameServers,
        Self::System,
        Self::Upstream,
    ];

    /// Returns its name, as metrics have it: `not_found`, `no_answer`, `name_servers`, `system` or `upstream`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NoAnswer => "no_answer",
            Self::NameServers => "name_servers",
            Self::System => "system",
            Self::Upstream => "upstream",
        }
    }
}

impl LookupError {
    pub(crate) fn new(name: DomainName, kind: LookupErrorKind, source: Option<BoxError>) -> Self {
        Self {
            name,
            kind,
            source: source.map(Arc::from),
        }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> LookupErrorKind {
        self.kind
    }

    /// Returns the name that was looked up: for an address the one below `in-addr.arpa` or `ip6.arpa` that
    /// stands for it.
    #[must_use]
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// Returns whose fault it was: ours, the target's, or the upstream's.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self.kind {
            LookupErrorKind::NotFound | LookupErrorKind::NoAnswer => Fault::Target,
            LookupErrorKind::NameServers | LookupErrorKind::System => Fault::Server,
            LookupErrorKind::Upstream => Fault::Upstream,
        }
    }

    /// Returns the code of the failure reply.
    pub(super) fn reply_code(&self) -> ReplyCode {
        match self.kind {
            LookupErrorKind::NotFound | LookupErrorKind::NoAnswer => ReplyCode::HOST_UNREACHABLE,
            LookupErrorKind::NameServers | LookupErrorKind::System => ReplyCode::GENERAL_FAILURE,
            // Other codes of the upstream's are about the lookup, and the client may have asked for a stream.
            LookupErrorKind::Upstream => match self.upstream().map(ClientError::reply_code) {
                Some(code @ (ReplyCode::NOT_ALLOWED | ReplyCode::TTL_EXPIRED)) => code,
                _ => ReplyCode::GENERAL_FAILURE,
            },
        }
    }

    fn upstream(&self) -> Option<&ClientError> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        source.downcast_ref()
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            LookupErrorKind::NotFound => write!(f, "{name} could not be resolved"),
            LookupErrorKind::NoAnswer => write!(f, "no name server has an answer for {name}"),
            LookupErrorKind::NameServers => write!(
                f,
                "{name} could not be resolved, since no name server answers: check those of this machine"
            ),
            LookupErrorKind::System => write!(f, "{name} could not be looked up on this machine"),
            LookupErrorKind::Upstream => write!(f, "{name} could not be resolved by the upstream"),
        }
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
