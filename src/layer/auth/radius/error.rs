use std::{error::Error, fmt, io};

/// A RADIUS server could not tell: it is away, or does not share our secret.
///
/// It is inside of an [`AuthError::Verifier`](crate::error::AuthError::Verifier). The text has the server, and neither a
/// password nor the secret.
#[derive(Debug)]
pub struct RadiusError {
    pub(super) server: String,
    pub(super) failure: Failure,
}

impl fmt::Display for RadiusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RADIUS server {}: {}", self.server, self.failure)
    }
}

impl Error for RadiusError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Io(_, error) => Some(error),
            Failure::Slow | Failure::Forged | Failure::Unsigned | Failure::Away => None,
        }
    }
}

#[derive(Debug)]
pub(super) enum Failure {
    Io(&'static str, io::Error),
    /// Silence. So it is with servers that do not know us or our secret.
    Slow,
    /// What came is not signed with our secret.
    Forged,
    /// What came has no Message-Authenticator.
    Unsigned,
    /// It has failed a moment ago, and is not asked for a time.
    Away,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "{doing}: {error}"),
            Self::Slow => f.write_str(
                "no answer in time: it is away, or has another secret, or does not know this client",
            ),
            Self::Forged => {
                f.write_str("no answer in time that is signed with our secret, but others: is the secret the same?")
            }
            Self::Unsigned => f.write_str(
                "its answers have no Message-Authenticator, and anybody could have made them (CVE-2024-3596): it needs an update",
            ),
            Self::Away => f.write_str("is away, and is asked again in some seconds"),
        }
    }
}

/// Settings that nobody can ask RADIUS by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRadius(pub(super) String);

impl fmt::Display for InvalidRadius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidRadius {}
