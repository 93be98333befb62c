use std::{borrow::Cow, error::Error, fmt, io, time::Duration};

use tokio::time::error::Elapsed;

use crate::{
    client::{ClientError, ClientFault},
    error::Refusal,
    proto::ReplyCode,
};

/// Why an HTTP proxy did not connect. [`fault`](Self::fault) sums it up.
///
/// [`error::reply_code`](crate::error::reply_code) makes 02 of status 403, 06 of 504 and of a proxy
/// that is too slow, and 01 of everything else: HTTP has no words for the rest, and a guess would be
/// worse.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpError {
    /// The proxy could not be reached.
    Unreachable(ClientError),
    /// The stream to the proxy failed. What it says is the source of the refusal.
    Io(Refusal),
    /// The proxy closed the stream.
    Closed,
    /// The proxy was too slow.
    TimedOut {
        /// The time that it had.
        limit: Duration,
        /// The timer that ran out.
        source: Elapsed,
    },
    /// The target's name has a character that has no place in a request: nothing was sent.
    Name,
    /// What the proxy says is not HTTP/1, or goes on for ever.
    NotHttp(&'static str),
    /// The proxy answered with another status than one of success (2xx).
    Status {
        /// The status code.
        status: u16,
        /// The reply code that it stands for.
        source: Refusal,
    },
}

impl HttpError {
    pub(super) fn io(source: io::Error) -> Self {
        let refusal = Refusal::new(ReplyCode::GENERAL_FAILURE, source.to_string());
        Self::Io(refusal.with_source(source))
    }

    pub(super) fn status(status: u16) -> Self {
        let code = match status {
            403 => ReplyCode::NOT_ALLOWED,
            504 => ReplyCode::TTL_EXPIRED,
            _ => ReplyCode::GENERAL_FAILURE,
        };
        let reason: Cow<'static, str> = match status {
            407 => "the proxy wants a name and a password, or other ones".into(),
            403 => "the proxy does not allow it".into(),
            405 | 501 => "it does not do CONNECT: is it a proxy, or a web server?".into(),
            502..=504 => "the proxy could not reach the target".into(),
            _ => format!("status {status}").into(),
        };
        Self::Status {
            status,
            source: Refusal::new(code, reason),
        }
    }

    /// Whose fault it was.
    #[must_use]
    pub fn fault(&self) -> ClientFault {
        match self {
            Self::Unreachable(error) => error.fault(),
            Self::Name => ClientFault::Local,
            Self::Io(_) | Self::Closed | Self::TimedOut { .. } | Self::NotHttp(_) => {
                ClientFault::Proxy
            }
            Self::Status { status, source } => match status {
                502..=504 => ClientFault::Target(source.code()),
                400..=499 | 501 | 505 => ClientFault::Refused,
                _ => ClientFault::Proxy,
            },
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => error.fmt(f),
            Self::Io(_) => f.write_str("connection to the HTTP proxy broke off"),
            Self::Closed => f.write_str("HTTP proxy closed the connection"),
            Self::TimedOut { limit, .. } => {
                write!(f, "HTTP proxy did not answer within {limit:?}")
            }
            Self::Name => f.write_str(
                "the target's name has a character that cannot be written in an HTTP request: \
                 write it in ASCII",
            ),
            Self::NotHttp(what) => write!(
                f,
                "what the proxy says is not HTTP ({what}): check its address and port"
            ),
            Self::Status { status, .. } => write!(f, "HTTP proxy answered {status}"),
        }
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => error.source(),
            Self::Io(source) | Self::Status { source, .. } => Some(source),
            Self::TimedOut { source, .. } => Some(source),
            Self::Closed | Self::Name | Self::NotHttp(_) => None,
        }
    }
}
