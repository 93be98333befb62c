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
    /// The client could not prove who it is, and the method knows why: what a mechanism of GSS-API says of an expired
    /// ticket. The reason is for the log; the client sees no difference to [`Denied`](Self::Denied).
    Unproven(BoxError),
    /// The verifier failed, so the credentials may be right or wrong.
    Verifier(BoxError),
}

impl AuthError {
    /// Returns `true` where the client is known not to be who it says: what counts as a failed login.
    #[must_use]
    pub const fn is_denial(&self) -> bool {
        matches!(self, Self::Denied | Self::Unproven(_))
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAcceptableMethod => "none of the offered methods is acceptable",
            Self::Denied => "wrong name or password",
            Self::Unproven(_) => "the client could not prove who it is",
            Self::Verifier(_) => "credentials could not be verified",
        })
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoAcceptableMethod | Self::Denied => None,
            Self::Unproven(source) | Self::Verifier(source) => Some(&**source),
        }
    }
}

/// An attempt to authenticate that failed, and the name that the client tried.
///
/// [`UserPass`](crate::UserPass) fails with it, and so does a method of yours that knows a name. It is
/// how the name gets into the log.
///
/// ```
/// use tower_socks::error::{AuthError, FailedAttempt};
///
/// let error = FailedAttempt::new("joe\n", AuthError::Denied);
/// assert_eq!(error.to_string(), r#"name "joe\n": wrong name or password"#);
/// ```
pub struct FailedAttempt {
    name: Box<[u8]>,
    source: BoxError,
}

impl FailedAttempt {
    /// Characters of a name in the text: enough for a mail address, and few enough that a client
    /// cannot fill the log with one attempt.
    const SHOWN: usize = 64;

    /// Creates an attempt under a name, with the reason for which it failed, most often an
    /// [`AuthError`].
    pub fn new(name: impl AsRef<[u8]>, source: impl Into<BoxError>) -> Self {
        Self {
            name: name.as_ref().into(),
            source: source.into(),
        }
    }

    /// Returns the name that the client tried, as it was sent.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}

/// The name with everything that could forge a log line escaped, cut off after 64 characters.
impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("name \"")?;
        let cut = match str::from_utf8(&self.name) {
            Ok(name) => {
                for shown in name.chars().take(Self::SHOWN) {
                    fmt::Display::fmt(&shown.escape_debug(), f)?;
                }
                name.chars().nth(Self::SHOWN).is_some()
            }
            Err(_) => {
                for shown in self.name.iter().take(Self::SHOWN) {
                    fmt::Display::fmt(&shown.escape_ascii(), f)?;
                }
                self.name.len() > Self::SHOWN
            }
        };
        write!(f, "\"{}: {}", if cut { "..." } else { "" }, self.source)
    }
}

impl fmt::Debug for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedAttempt")
            .field("name", &format_args!("\"{}\"", self.name.escape_ascii()))
            .field("source", &self.source)
            .finish()
    }
}

impl Error for FailedAttempt {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
