use std::{error::Error, fmt};

use super::{AuthError, find};

/// The verifier knows nobody of that name.
///
/// It is an [`AuthError::Denied`], its source, and for the client and the log no other: whether a name exists is nobody's
/// business. Where several verifiers are asked one after the other, it tells that the next one may be asked. A
/// wrong password, or a verifier that cannot tell, is the end of it.
///
/// ```
/// use tower_socks::{BoxError, error::UnknownUser};
///
/// let error: BoxError = UnknownUser.into();
/// assert!(UnknownUser::is_in(&*error));
/// assert_eq!(error.to_string(), "wrong name or password");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownUser;

impl UnknownUser {
    /// Tells whether an error is this one, or came from it.
    #[must_use]
    pub fn is_in(error: &(dyn Error + 'static)) -> bool {
        find::<Self>(error).is_some()
    }
}

impl fmt::Display for UnknownUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        AuthError::Denied.fmt(f)
    }
}

impl Error for UnknownUser {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        static DENIED: AuthError = AuthError::Denied;
        Some(&DENIED)
    }
}
