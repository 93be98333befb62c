//! Clients that leave before they have asked for anything.

use std::io;

use crate::{
    error::{Fault, SessionError, Step, find},
    io::ReadError,
};

/// Whether the client closed or reset its connection before its request was read. Load balancers do it all day to see
/// whether somebody is here, with or without a greeting, and so do clients that have changed their mind.
pub(crate) fn has_left(error: &SessionError) -> bool {
    let is_early = match error.step() {
        Step::ProxyHeader | Step::Tls | Step::Greeting | Step::Authentication | Step::Request => {
            true
        }
        Step::Dial | Step::Reply | Step::Relay => false,
    };
    is_early && error.fault() == Fault::Client && is_end(error)
}

fn is_end(error: &SessionError) -> bool {
    #[cfg(feature = "tls")]
    if let Some(crate::error::TlsError::Closed) = find(error) {
        return true;
    }
    if let Some(ReadError::Closed) = find(error) {
        return true;
    }
    find::<io::Error>(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        )
    })
}
