//! Doubling back-off.

use std::{io, time::Duration};

/// Doubles a delay with each failure in a row, up to a longest one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the delay after so many failures in a row; zero after none.
    pub(crate) fn after(self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doubled) => {
                let factor = 2_u32.saturating_pow(doubled);
                self.first.saturating_mul(factor).min(self.longest)
            }
        }
    }
}

/// Errors of a connection that was in the queue, which accept(2) passes on: the next one may be
/// fine.
pub(crate) fn is_about_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotConnected
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
