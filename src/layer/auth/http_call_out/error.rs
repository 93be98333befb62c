use std::{error::Error, fmt, io};

use crate::error::TlsError;

/// A service could not tell: it is away, or its answer is none.
///
/// It is inside of an [`AuthError::Verifier`](crate::error::AuthError::Verifier). The text has the service without what is
/// behind its host, and never a password or a field.
#[derive(Debug)]
pub struct HttpCallOutError {
    pub(super) service: String,
    pub(super) failure: Failure,
}

impl fmt::Display for HttpCallOutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP service {}: {}", self.service, self.failure)
    }
}

impl Error for HttpCallOutError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Io(error) => Some(error),
            Failure::Tls(error) => Some(error),
            Failure::Http(error) | Failure::Stale(error) => Some(error),
            Failure::Slow | Failure::Away | Failure::Status(_) | Failure::Answer(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    Tls(TlsError),
    Http(hyper::Error),
    /// Before anything of an answer came, on a connection that was kept.
    Stale(hyper::Error),
    Slow,
    /// It has failed a moment ago, and is not asked for a time.
    Away,
    Status(http::StatusCode),
    Answer(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "connecting: {error}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Http(error) | Self::Stale(error) => {
                write!(f, "{error}")?;
                match error.source() {
                    Some(cause) => write!(f, ": {cause}"),
                    None => Ok(()),
                }
            }
            Self::Slow => f.write_str("no answer in time"),
            Self::Away => f.write_str("is away, and is asked again in some seconds"),
            Self::Status(status) if status.is_redirection() => {
                write!(
                    f,
                    "{status}: redirects are not followed, state the URL that it leads to"
                )
            }
            Self::Status(status) => {
                write!(
                    f,
                    "{status}: 200, 401 and 403 are answers, and this is none"
                )
            }
            Self::Answer(problem) => f.write_str(problem),
        }
    }
}

/// Settings that no service can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHttpCallOut(pub(super) String);

impl fmt::Display for InvalidHttpCallOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidHttpCallOut {}
