//! Back-off after a failed accept.

use std::{io, time::Duration};

use tokio::time::sleep;

use crate::admission;

/// How long accepting pauses, by the failures in a row.
const DELAYS: admission::Backoff =
    admission::Backoff::new(Duration::from_millis(5), Duration::from_secs(1));

/// Waits after failures, longer each time.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Failures in a row.
    failures: u32,
}

impl Backoff {
    /// Waits for as long as the error calls for.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped counts as done.
    pub(super) async fn after(&mut self, error: &io::Error) {
        if admission::is_about_connection(error) {
            tracing::debug!(%error, "connection broke before it was accepted");
            return;
        }
        if self.failures == 0 {
            tracing::warn!(%error, "cannot accept connections; trying again until it works");
        }
        self.failures = self.failures.saturating_add(1);
        sleep(DELAYS.after(self.failures)).await;
    }

    /// Starts over, since a connection was accepted.
    pub(super) fn reset(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!("accepting connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_a_second_and_start_over_after_a_success() {
        // EMFILE, for which the standard library has no kind.
        let exhausted = io::Error::from_raw_os_error(24);
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..10 {
            let started = Instant::now();
            backoff.after(&exhausted).await;
            waits.push(started.elapsed().as_millis());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);

        backoff.reset();
        let started = Instant::now();
        backoff.after(&exhausted).await;
        assert_eq!(started.elapsed().as_millis(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_connection_costs_no_time() {
        let started = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff
                .after(&io::ErrorKind::ConnectionAborted.into())
                .await;
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
