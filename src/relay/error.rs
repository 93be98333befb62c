use std::{error::Error, fmt, io, time::Duration};

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
    end: End,
}

/// The cause for which a tunnel broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelayErrorKind {
    /// The client's stream failed.
    Client,
    /// The target's stream failed.
    Target,
    /// The [transport](crate::datagram::DatagramTransport) of an association failed.
    Transport,
    /// A [meter](crate::io::Meter) allowed no more bytes.
    Limit,
    /// It was closed from [outside](crate::layer::track::OpenTunnels::close), by an operator.
    Closed,
    /// Its [policy](crate::layer::acl::recheck) has changed, and no longer allows it.
    Policy,
    /// No byte moved in either direction for as long as the idle limit.
    Idle,
    /// One direction had ended, and no byte moved in the other for as long as the half-close limit.
    HalfClosed,
    /// No byte moved in either direction for as long as a drain gives to those that are idle.
    Drained,
}

impl RelayErrorKind {
    /// Whether the tunnel was refused while it was open.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(self, Self::Limit | Self::Closed | Self::Policy)
    }
}

impl RelayError {
    pub(crate) fn broken(kind: RelayErrorKind, traffic: Traffic, source: io::Error) -> io::Error {
        io::Error::new(
            source.kind(),
            Self {
                kind,
                traffic,
                end: End::Broken(source),
            },
        )
    }

    pub(crate) fn timed_out(kind: RelayErrorKind, traffic: Traffic, limit: Duration) -> io::Error {
        io::Error::new(
            io::ErrorKind::TimedOut,
            Self {
                kind,
                traffic,
                end: End::Limit(limit),
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
        match self.kind {
            RelayErrorKind::Client => f.write_str("the client's stream broke off"),
            RelayErrorKind::Target => f.write_str("the target's stream broke off"),
            RelayErrorKind::Transport => f.write_str("the transport of datagrams failed"),
            RelayErrorKind::Limit => f.write_str("a limit has been reached"),
            RelayErrorKind::Closed => f.write_str("the tunnel was closed"),
            RelayErrorKind::Policy => f.write_str("the policy has changed"),
            // The limit goes by the name under which it is set.
            RelayErrorKind::Idle => write!(f, "idle for {} (idle_timeout)", self.end),
            RelayErrorKind::HalfClosed => {
                write!(
                    f,
                    "half-closed and idle for {} (half_close_timeout)",
                    self.end
                )
            }
            RelayErrorKind::Drained => {
                write!(f, "drained: idle for {} (drain_idle)", self.end)
            }
        }
    }
}

impl Error for RelayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.end {
            End::Broken(source) => Some(source),
            End::Limit(_) => None,
        }
    }
}

/// What ended a tunnel early.
#[derive(Debug)]
pub(super) enum End {
    /// The error of a stream or of a meter.
    Broken(io::Error),
    /// A limit in time.
    Limit(Duration),
}

/// The time of a limit, such as `2h 4m`.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = match self {
            Self::Broken(error) => return error.fmt(f),
            Self::Limit(limit) => *limit,
        };
        let seconds = limit.as_secs();
        if seconds == 0 || limit.subsec_nanos() > 0 {
            return write!(f, "{limit:?}");
        }
        let units = [
            (seconds / 3600, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
        ];
        let mut space = "";
        for (number, unit) in units.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{space}{number}{unit}")?;
            space = " ";
        }
        Ok(())
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
    ) -> (RelayErrorKind, End) {
        match self {
            Self::Source(error) => (source, End::Broken(error)),
            Self::Sink(error) => (sink, End::Broken(error)),
            Self::Limit(error) => (RelayErrorKind::Limit, End::Broken(error)),
        }
    }
}
