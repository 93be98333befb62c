use std::fmt;

use crate::{
    client::{ClientError, ClientFault},
    error::{BoxError, Step, find},
    proto::socks4::Unencodable,
};

/// Classifies failures: as the alternative's own, the request's or the target's.
#[derive(Clone, Copy)]
pub struct Classify(fn(&BoxError) -> FailureClass);

/// Whose a failure is, and so what becomes of the alternative and of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The alternative works for nobody: it is down, and the next one is tried.
    Alternative,
    /// The alternative has said nothing. It is down, unless it has answered another request
    /// meanwhile; the next one is tried.
    Silent,
    /// The alternative has broken off at this one request. It stays up, and the next one is tried.
    Request,
    /// The alternative has answered: the target cannot be reached, or it will not be. It is up, and no
    /// other one is tried.
    Target,
}

impl Classify {
    /// Classifies by a function of yours.
    #[must_use]
    pub const fn new(class: fn(&BoxError) -> FailureClass) -> Self {
        Self(class)
    }

    /// Returns the class of an error, for a function that changes some of it.
    #[must_use]
    pub fn class(self, error: &BoxError) -> FailureClass {
        (self.0)(error)
    }
}

/// Classifies by what [`ClientError`] and `HttpError` say. An upstream is down only for what has
/// nothing to do with the request: the proxy cannot be reached, says nothing or nonsense, or does not
/// let us in. Otherwise one client that asks for something odd could take it from everybody.
///
/// A failure reply is an answer, above all that the rules of the proxy do not allow the request
/// (02, or 403 of HTTP), but also that it does not know the command (07) or the type of address (08):
/// what it refuses is not sent to another one. To try others for some codes is a
/// [`Classify::new`] that says [`FailureClass::Request`] for them.
impl Default for Classify {
    fn default() -> Self {
        Self(|error| {
            #[cfg(feature = "http-connect")]
            if let Some(error) = find(&**error) {
                return http(error);
            }
            find(&**error).map_or(FailureClass::Target, socks)
        })
    }
}

fn socks(error: &ClientError) -> FailureClass {
    match error {
        // Also for want of a socket, or by a mistake in its address: another one may do.
        ClientError::Unreachable { .. }
        | ClientError::InvalidProxy(_)
        | ClientError::Unencodable(Unencodable::UserId) => FailureClass::Alternative,
        // Another one may speak more than SOCKS4.
        ClientError::Unencodable(_) => FailureClass::Request,
        // Of SOCKS4, where there is nothing before the request that it could have answered.
        ClientError::TimedOut {
            step: Step::Request,
            ..
        } => FailureClass::Silent,
        error if error.is_down() => FailureClass::Alternative,
        error if error.fault() == ClientFault::Proxy => FailureClass::Request,
        _ => FailureClass::Target,
    }
}

#[cfg(feature = "http-connect")]
fn http(error: &crate::connector::upstream::HttpError) -> FailureClass {
    use crate::connector::upstream::HttpError;

    match error {
        HttpError::Unreachable(_) => FailureClass::Alternative,
        HttpError::TimedOut { .. } => FailureClass::Silent,
        error if error.is_down() => FailureClass::Alternative,
        // It has had too many of ours.
        HttpError::Status { status: 429, .. } => FailureClass::Request,
        error if error.fault() == ClientFault::Proxy => FailureClass::Request,
        _ => FailureClass::Target,
    }
}

impl fmt::Debug for Classify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classify")
    }
}
