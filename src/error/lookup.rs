//! The errors of lookups.

use std::{error::Error, fmt, sync::Arc};

use super::{BoxError, Fault};
use crate::proto::{DomainName, ReplyCode};

/// Says why a name has led to no address: the error of the resolvers of
/// [this crate](crate::connector::resolve).
///
/// Its [kind](Self::kind) says whose fault that was, and the reply code follows from it: 04 where it is the
/// name's, 01 where it is ours, which is logged as such.
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

    /// Returns the name that was looked up.
    #[must_use]
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// Returns whose fault it was: ours, or the target's.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self.kind {
            LookupErrorKind::NotFound | LookupErrorKind::NoAnswer => Fault::Target,
            LookupErrorKind::NameServers | LookupErrorKind::System => Fault::Server,
        }
    }

    /// Returns the code of the failure reply.
    pub(super) const fn reply_code(&self) -> ReplyCode {
        match self.kind {
            LookupErrorKind::NotFound | LookupErrorKind::NoAnswer => ReplyCode::HOST_UNREACHABLE,
            LookupErrorKind::NameServers | LookupErrorKind::System => ReplyCode::GENERAL_FAILURE,
        }
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
        }
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
