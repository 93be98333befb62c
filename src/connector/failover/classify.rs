use std::fmt;

use crate::{
    client::{ClientError, ClientFault},
    error::{BoxError, Step, find},
};

/// Whom to blame for an error, and so what becomes of the way.
#[derive(Clone, Copy)]
pub struct Classify(fn(&BoxError) -> FailureClass);

/// What an error says about a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// It does not work, for nobody: it is down.
    Way,
    /// It would not do this one thing. Another way may.
    Request,
    /// It works, and the target cannot be reached.
    Target,
}

impl Classify {
    /// By a function of yours.
    #[must_use]
    pub const fn new(ask: fn(&BoxError) -> FailureClass) -> Self {
        Self(ask)
    }

    pub(super) fn ask(self, error: &BoxError) -> FailureClass {
        (self.0)(error)
    }
}

/// By what [`ClientError`] and `HttpError` say. A way is down only for what has nothing to do with
/// the request: the proxy cannot be reached, says nothing or nonsense, or does not let us in.
/// Otherwise one client that asks for something odd could take it from everybody.
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
    match (error, error.fault()) {
        (
            ClientError::Unreachable { .. }
            | ClientError::NoAcceptableMethod { .. }
            | ClientError::Denied
            | ClientError::Authentication(_)
            | ClientError::NotOffered { .. }
            | ClientError::NotPipelined { .. }
            | ClientError::Io {
                step: Step::Greeting | Step::Authentication,
                ..
            }
            | ClientError::Closed {
                step: Step::Greeting | Step::Authentication,
            }
            | ClientError::NotSocks {
                step: Step::Greeting | Step::Authentication,
                ..
            }
            | ClientError::TimedOut {
                step: Step::Greeting | Step::Authentication,
                ..
            },
            _,
        ) => FailureClass::Way,
        (_, ClientFault::Proxy | ClientFault::Refused) => FailureClass::Request,
        _ => FailureClass::Target,
    }
}

#[cfg(feature = "http-connect")]
fn http(error: &crate::connector::upstream::HttpError) -> FailureClass {
    use crate::connector::upstream::HttpError;

    match (error, error.fault()) {
        (
            HttpError::Unreachable(_)
            | HttpError::NotHttp(_)
            | HttpError::Status {
                status: 405 | 407 | 501,
                ..
            },
            _,
        ) => FailureClass::Way,
        (_, ClientFault::Proxy | ClientFault::Refused) => FailureClass::Request,
        _ => FailureClass::Target,
    }
}

impl fmt::Debug for Classify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classify")
    }
}
