//! The settings.

use std::{sync::Arc, time::Duration};

use crate::error::ReplyCodes;

/// The settings of an [`HttpLayer`](super::HttpLayer).
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// From the accept to the first request of an authenticated client; of each later head likewise.
    pub(super) deadline: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    pub(super) reply_codes: ReplyCodes,
    /// The name of this proxy in `Via`.
    pub(super) pseudonym: Arc<str>,
}

impl Config {
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }
}
