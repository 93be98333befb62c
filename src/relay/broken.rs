//! Why a direction of a tunnel broke.

use std::io;

use super::RelayErrorKind;

/// What failed.
#[derive(Debug)]
pub(super) enum Broken {
    Source(io::Error),
    Sink(io::Error),
    /// Nothing: a meter says that it is enough.
    Limit(io::Error),
}

impl Broken {
    /// As the tunnel sees it.
    pub(super) fn between(
        self,
        source: RelayErrorKind,
        sink: RelayErrorKind,
    ) -> (RelayErrorKind, Option<io::Error>) {
        match self {
            Self::Source(error) => (source, Some(error)),
            Self::Sink(error) => (sink, Some(error)),
            Self::Limit(error) => (RelayErrorKind::Limit, Some(error)),
        }
    }
}
