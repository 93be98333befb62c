//! Maps errors to reply codes.

use std::{error::Error, fmt, io, sync::Arc};

use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

#[cfg(feature = "http-connect")]
use super::http::HttpError;
use super::{LookupError, Refusal, chain::causes, client::ClientError};
use crate::proto::ReplyCode;

/// Maps an error to a reply code, by the table of [this module](crate::error).
#[must_use]
pub fn reply_code(error: &(dyn Error + 'static)) -> ReplyCode {
    causes(error)
        .find_map(|cause| {
            if let Some(code) = own(cause) {
                Some(code)
            } else if cause.is::<Elapsed>() || cause.is::<tokio::time::error::Elapsed>() {
                Some(ReplyCode::TTL_EXPIRED)
            } else if cause.is::<Overloaded>() {
                Some(ReplyCode::GENERAL_FAILURE)
            } else {
                cause.downcast_ref().and_then(io_reply_code)
            }
        })
        .unwrap_or(ReplyCode::GENERAL_FAILURE)
}

/// The reply code that an error in the chain brings along, if one does: what it came from has no say
/// then.
pub(crate) fn own_reply_code(error: &(dyn Error + 'static)) -> Option<ReplyCode> {
    causes(error).find_map(own)
}

fn own(cause: &(dyn Error + 'static)) -> Option<ReplyCode> {
    #[cfg(feature = "http-connect")]
    if let Some(error) = cause.downcast_ref::<HttpError>() {
        return Some(error.reply_code());
    }
    let refusal = cause.downcast_ref().map(Refusal::code);
    let refusal = refusal.or_else(|| cause.downcast_ref().map(LookupError::reply_code));
    refusal.or_else(|| cause.downcast_ref().map(ClientError::reply_code))
}

/// How the errors of a request become reply codes: by [`reply_code`], or by a mapping of the user's,
/// which clones share. It never makes a success of an error.
#[derive(Clone)]
pub(crate) struct ReplyCodes(Option<Arc<Mapping>>);

type Mapping = dyn Fn(&(dyn Error + 'static)) -> ReplyCode + Send + Sync;

impl ReplyCodes {
    /// By [`reply_code`].
    pub(crate) const fn built_in() -> Self {
        Self(None)
    }

    /// By a mapping in its place.
    pub(crate) fn custom(
        mapping: impl Fn(&(dyn Error + 'static)) -> ReplyCode + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(mapping)))
    }

    /// Whether both are clones of each other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let address = |codes: &Self| codes.0.as_ref().map(|it| Arc::as_ptr(it).cast::<()>());
        address(self) == address(other)
    }

    /// The code of the failure reply for an error.
    pub(crate) fn of(&self, error: &(dyn Error + 'static)) -> ReplyCode {
        let code = match &self.0 {
            Some(mapping) => mapping(error),
            None => reply_code(error),
        };
        if code.is_success() {
            ReplyCode::GENERAL_FAILURE
        } else {
            code
        }
    }
}

impl fmt::Debug for ReplyCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "ReplyCodes(custom)",
            None => "ReplyCodes(built-in)",
        })
    }
}

fn io_reply_code(error: &io::Error) -> Option<ReplyCode> {
    /// EAFNOSUPPORT, for which the standard library has no kind.
    const FAMILY_UNSUPPORTED: i32 = if cfg!(windows) {
        10047
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        97
    } else {
        47
    };
    // A reply of another proxy says more than the kind that is nearest to it.
    if error.get_ref().is_some_and(|inner| own(inner).is_some()) {
        return None;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(ReplyCode::CONNECTION_REFUSED),
        io::ErrorKind::HostUnreachable => Some(ReplyCode::HOST_UNREACHABLE),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Some(ReplyCode::NETWORK_UNREACHABLE)
        }
        io::ErrorKind::TimedOut => Some(ReplyCode::TTL_EXPIRED),
        _ if error.raw_os_error() == Some(FAMILY_UNSUPPORTED) => {
            Some(ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED)
        }
        _ => None,
    }
}
