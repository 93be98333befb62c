use std::{error::Error, fmt, io};

use crate::error::TlsError;

/// A database could not tell: it is away, or the query is not what it has to be.
///
/// It is inside of an [`AuthError::Verifier`](crate::error::AuthError::Verifier). The text has the server and what it was
/// asked for, and never a password.
#[derive(Debug)]
pub struct PostgresError {
    pub(super) server: String,
    pub(super) failure: Failure,
}

impl PostgresError {
    /// Tells whether the server is away: no connection, no answer in time, or shutting down. Otherwise it is for an
    /// operator to mend.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.failure.is_away()
    }
}

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL at {}: {}", self.server, self.failure)
    }
}

impl Error for PostgresError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Io(error) => Some(error),
            Failure::Tls(error) => Some(error),
            Failure::Sql(error) => Some(error),
            Failure::Slow(_) | Failure::Away | Failure::NoTls | Failure::Row(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    Slow(&'static str),
    Tls(TlsError),
    /// It does not take TLS.
    NoTls,
    /// It has failed a moment ago, and is not asked for a time.
    Away,
    Sql(tokio_postgres::Error),
    /// What the query gives cannot be used.
    Row(String),
}

impl Failure {
    /// Whether another server may do better.
    pub(super) fn is_away(&self) -> bool {
        match self {
            Self::Io(_) | Self::Slow(_) | Self::Tls(_) | Self::NoTls | Self::Away => true,
            Self::Row(_) => false,
            // Classes 53 and 57: too many connections, starting up, shutting down. Without a code it is no answer.
            Self::Sql(error) => match error.code() {
                Some(state) => ["53", "57"]
                    .iter()
                    .any(|class| state.code().starts_with(class)),
                None => true,
            },
        }
    }

    /// Whether a connection that was idle may have ended meanwhile.
    pub(super) fn is_stale(&self) -> bool {
        match self {
            Self::Sql(error) => error
                .code()
                .is_none_or(|state| state.code().starts_with("57")),
            _ => false,
        }
    }
}

impl Failure {
    /// For who runs this: with what would mend it.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Tls(error) => error.told(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "connecting: {error}"),
            Self::Slow(doing) => write!(f, "{doing}: no answer in time"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::NoTls => {
                f.write_str("it does not take TLS; in clear text it is asked with sslmode=disable")
            }
            Self::Away => f.write_str("is away, and is asked again in some seconds"),
            Self::Sql(error) => {
                write!(f, "{error}")?;
                match error.source() {
                    Some(cause) => {
                        let cause: String = cause.to_string().chars().take(256).collect();
                        write!(f, ": {}", cause.escape_debug())
                    }
                    None => Ok(()),
                }
            }
            Self::Row(problem) => f.write_str(problem),
        }
    }
}

/// Settings that no database can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPostgres(pub(super) String);

impl fmt::Display for InvalidPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidPostgres {}
