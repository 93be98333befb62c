use std::{error::Error, fmt, io, time::Duration};

use tokio::time::error::Elapsed;

use super::client::{ClientError, ClientFault};
use crate::proto::ReplyCode;

/// Says why an HTTP proxy did not connect. [`fault`](Self::fault) sums it up.
///
/// [`error::reply_code`](crate::error::reply_code) makes 02 of status 403, 06 of 504 and of a proxy
/// that is too slow, 07 where it does no UDP over TCP, and 01 of everything else: HTTP does not tell the rest apart,
/// and a guess would be worse.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpError {
    /// The proxy could not be reached.
    Unreachable(ClientError),
    /// The stream to the proxy failed.
    Io(io::Error),
    /// The proxy closed the stream.
    Closed,
    /// The proxy was too slow.
    TimedOut {
        /// The time that it had.
        limit: Duration,
        /// The timer that ran out.
        source: Elapsed,
    },
    /// The proxy sent something that is not HTTP/1, or a head without end.
    NotHttp(&'static str),
    /// The response says that it does no UDP over TCP, to a CONNECT that asks for it.
    NoUdpOverTcp {
        /// The status code.
        status: u16,
    },
    /// The response has another status than one of success (2xx).
    Status {
        /// The status code.
        status: u16,
        /// The authentication schemes that a response with status 407 offers: those of IANA's registry
        /// and `NTLM`, each once. Nothing else that the proxy says is repeated.
        schemes: Vec<&'static str>,
    },
}

impl HttpError {
    /// Takes what would mean of other requests that no CONNECT is done.
    pub(crate) fn of_udp_over_tcp(self) -> Self {
        match self {
            Self::Status {
                status: status @ (405 | 501),
                ..
            } => Self::NoUdpOverTcp { status },
            other => other,
        }
    }

    /// Returns whose fault it was.
    #[must_use]
    pub const fn fault(&self) -> ClientFault {
        match self {
            Self::Unreachable(error) => error.fault(),
            Self::Io(_) | Self::Closed | Self::TimedOut { .. } | Self::NotHttp(_) => {
                ClientFault::Proxy
            }
            Self::NoUdpOverTcp { .. } => ClientFault::Refused,
            Self::Status { status, .. } => match status {
                502..=504 => ClientFault::Target(self.reply_code()),
                400..=499 | 501 | 505 => ClientFault::Refused,
                _ => ClientFault::Proxy,
            },
        }
    }

    /// Whether the proxy works for nobody: it cannot be reached, speaks no HTTP, wants other
    /// credentials, or does no CONNECT at all.
    pub(crate) fn is_down(&self) -> bool {
        match self {
            Self::Unreachable(error) => error.is_down(),
            Self::NotHttp(_) => true,
            Self::Status { status, .. } => matches!(status, 405 | 407 | 501),
            Self::Io(_) | Self::Closed | Self::TimedOut { .. } | Self::NoUdpOverTcp { .. } => false,
        }
    }

    /// Returns the code that a server replies to its client.
    pub(super) const fn reply_code(&self) -> ReplyCode {
        match self {
            Self::Unreachable(error) => error.reply_code(),
            Self::NoUdpOverTcp { .. } => ReplyCode::COMMAND_NOT_SUPPORTED,
            Self::Status { status: 403, .. } => ReplyCode::NOT_ALLOWED,
            Self::Status { status: 504, .. } | Self::TimedOut { .. } => ReplyCode::TTL_EXPIRED,
            Self::Io(_) | Self::Closed | Self::NotHttp(_) | Self::Status { .. } => {
                ReplyCode::GENERAL_FAILURE
            }
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
            Self::NotHttp(what) => write!(
                f,
                "what the proxy says is not HTTP ({what}): check its address and port"
            ),
            Self::NoUdpOverTcp { status } => {
                write!(
                    f,
                    "HTTP proxy answered {status}: it does not do UDP over TCP"
                )
            }
            Self::Status { status, schemes } => {
                write!(f, "HTTP proxy answered {status}")?;
                match status {
                    407 => {
                        f.write_str(": the proxy wants a name and a password, or other ones")?;
                        if !schemes.is_empty() {
                            write!(f, "; it offers {}", schemes.join(", "))?;
                        }
                        Ok(())
                    }
                    403 => f.write_str(": the proxy does not allow it"),
                    405 | 501 => {
                        f.write_str(": it does not do CONNECT: is it a proxy, or a web server?")
                    }
                    502..=504 => f.write_str(": the proxy could not reach the target"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => error.source(),
            Self::Io(source) => Some(source),
            Self::TimedOut { source, .. } => Some(source),
            Self::Status { .. } | Self::NoUdpOverTcp { .. } | Self::Closed | Self::NotHttp(_) => {
                None
            }
        }
    }
}
