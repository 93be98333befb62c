//! The errors of authentication.

use std::{error::Error, fmt};

use super::BoxError;

/// Why authentication failed.
///
/// A verifier for [`UserPass`](crate::UserPass) returns [`AuthError::Denied`] for a wrong name or
/// password. Any other error of a verifier is taken for a failure on our side and logged as such;
/// the client sees no difference.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// The client offers no method that the server takes.
    NoAcceptableMethod,
    /// The client's credentials are wrong.
    Denied,
    /// The verifier failed, so the credentials may be right or wrong.
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
