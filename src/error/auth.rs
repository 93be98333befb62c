//! Why a client is not let in.

use std::{error::Error, fmt};

use super::BoxError;

/// Why authentication came to nothing.
///
/// A verifier for [`UserPass`](crate::UserPass) returns [`AuthError::Denied`] for a wrong name or
/// password. Any other error of a verifier is taken for a failure on our side and logged as such;
/// the client sees the same answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// The client offers no method that the server takes.
    NoAcceptableMethod,
    /// The client could not prove who it is.
    Denied,
    /// The verifier failed, so nobody knows.
    Verifier(BoxError),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAcceptableMethod => "none of the offered methods is acceptable",
            Self::Denied => "wrong name or password",
            Self::Verifier(_) => "credentials could not be verified",
        })
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoAcceptableMethod | Self::Denied => None,
            Self::Verifier(source) => Some(&**source),
        }
    }
}
