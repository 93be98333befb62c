//! From errors to reply codes.

use std::{error::Error, io};

use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

use super::{Refusal, chain::causes};
use crate::proto::ReplyCode;

/// The reply code for an error, by the table of [this module](crate::error).
#[must_use]
pub fn reply_code(error: &(dyn Error + 'static)) -> ReplyCode {
    causes(error)
        .find_map(|cause| {
            if let Some(refusal) = cause.downcast_ref::<Refusal>() {
                Some(refusal.code())
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

fn io_reply_code(error: &io::Error) -> Option<ReplyCode> {
    /// EAFNOSUPPORT, for which the standard library has no kind.
    const FAMILY_UNSUPPORTED: i32 = if cfg!(windows) {
        10047
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        97
    } else {
        47
    };
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
