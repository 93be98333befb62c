use std::{error::Error, fmt, io};

use super::Traffic;

/// The error of a tunnel that broke off, with its traffic until then.
///
/// It rides inside the [`io::Error`] of [`Relay::run`](super::Relay::run):
///
/// ```
/// use tower_socks::relay::RelayError;
///
/// fn moved(error: &std::io::Error) -> Option<u64> {
///     let inner = error.get_ref()?.downcast_ref::<RelayError>()?;
///     Some(inner.traffic().up + inner.traffic().down)
/// }
/// # assert_eq!(moved(&std::io::ErrorKind::NotFound.into()), None);
/// ```
#[derive(Debug)]
pub struct RelayError {
    kind: RelayErrorKind,
    traffic: Traffic,
    source: Option<io::Error>,
}

/// The cause for which a tunnel broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelayErrorKind {
    /// The client's stream failed.
    Client,
    /// The target's stream failed.
    Target,
    /// A [meter](crate::io::Meter) allowed no more bytes.
    Limit,
    /// No byte moved in either direction for as long as the idle limit.
    Idle,
    /// One direction had ended, and no byte moved in the other for as long as the half-close limit.
    HalfClosed,
}

impl RelayError {
    pub(crate) fn broken(kind: RelayErrorKind, traffic: Traffic, source: io::Error) -> io::Error {
        io::Error::new(
            source.kind(),
            Self {
                kind,
                traffic,
                source: Some(source),
            },
        )
    }

    pub(crate) fn timed_out(kind: RelayErrorKind, traffic: Traffic) -> io::Error {
        io::Error::new(
            io::ErrorKind::TimedOut,
            Self {
                kind,
                traffic,
                source: None,
            },
        )
    }

    /// Returns the cause.
    #[must_use]
    pub const fn kind(&self) -> RelayErrorKind {
        self.kind
    }

    /// Returns the traffic until then.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RelayErrorKind::Client => "the client's stream broke off",
            RelayErrorKind::Target => "the target's stream broke off",
            RelayErrorKind::Limit => "a limit has been reached",
            RelayErrorKind::Idle => "idle for too long",
            RelayErrorKind::HalfClosed => "half-closed and idle for too long",
        })
    }
}

impl Error for RelayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// Why one direction of a tunnel broke off.
#[derive(Debug)]
pub(super) enum Broken {
    Source(io::Error),
    Sink(io::Error),
    /// A meter has reached its limit.
    Limit(io::Error),
}

impl Broken {
    /// Returns the kind for the tunnel, given those of source and sink.
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
