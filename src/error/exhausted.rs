//! Errors of this machine's own: want of descriptors, buffers, memory or local ports.

use std::{error::Error, io};

use super::chain::{causes, find};

/// Whether an error is for want of something of this machine.
pub(crate) fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(is_own)
}

/// Whether an I/O error is for want of descriptors, buffers, memory or local ports.
pub(crate) fn is_own(error: &io::Error) -> bool {
    /// ENFILE, EMFILE, ENOBUFS.
    const CODES: [i32; 3] = if cfg!(windows) {
        [10024, 10024, 10055]
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        [23, 24, 105]
    } else {
        [23, 24, 55]
    };
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse | io::ErrorKind::OutOfMemory
    ) || error
        .raw_os_error()
        .is_some_and(|code| CODES.contains(&code))
}

/// The system's code of the I/O error that an error came from.
pub(crate) fn error_code(error: &(dyn Error + 'static)) -> Option<i32> {
    causes(error).find_map(|cause| cause.downcast_ref().and_then(io::Error::raw_os_error))
}
