use std::fmt;

use crate::{
    client::{ClientError, ClientFault},
    error::{BoxError, find},
};

/// Whether an error is the fault of the way, and another way might do better.
#[derive(Clone, Copy)]
pub struct Blame(fn(&BoxError) -> bool);

impl Blame {
    /// By a function of yours: `true` where the way is at fault.
    #[must_use]
    pub const fn new(ask: fn(&BoxError) -> bool) -> Self {
        Self(ask)
    }

    pub(super) fn is_at_fault(self, error: &BoxError) -> bool {
        (self.0)(error)
    }
}

/// The way is at fault where [`ClientError`] or `HttpError` says that the proxy was, or that it
/// turned us away. Without one of these nobody is to blame but the target.
impl Default for Blame {
    fn default() -> Self {
        Self(|error| {
            let fault = find::<ClientError>(&**error).map(ClientError::fault);
            #[cfg(feature = "http-connect")]
            let fault = find::<crate::connector::upstream::HttpError>(&**error)
                .map(crate::connector::upstream::HttpError::fault)
                .or(fault);
            matches!(fault, Some(ClientFault::Proxy | ClientFault::Refused))
        })
    }
}

impl fmt::Debug for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blame")
    }
}
