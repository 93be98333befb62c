//! `[logins]` of the file: how passwords are verified, and how guessing them is slowed down.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use serde::Deserialize;
use tower_socks::{
    BoxError, Credentials, Identity,
    error::AuthError,
    layer::{
        auth::{BlockingVerifier, remember::RememberLayer},
        limit::FailedLoginsLayer,
    },
};

use crate::{hashes::Memory, timeouts::Span};

/// `[logins]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logins {
    /// The cores, if it is left out.
    hashes_at_once: Option<NonZeroUsize>,
    /// 256 for each core, if it is left out.
    hashes_waiting: Option<NonZeroUsize>,
    /// How long a name and a password that were right cost no hash.
    remember: Span,
    /// The same of those that were wrong.
    remember_wrong: Span,
    /// How often users of directories are looked for again.
    pub(crate) recheck: Span,
    /// Of an address, or at a name.
    free_failures: u32,
    /// Before a password is looked at, after failures.
    longest_delay: Span,
    at_once_per_client: NonZeroU32,
    at_once_per_site: NonZeroU32,
    at_once_per_name: NonZeroU32,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            hashes_at_once: None,
            hashes_waiting: None,
            remember: Span(Duration::from_secs(5 * 60)),
            remember_wrong: Span(Duration::from_secs(5)),
            recheck: Span(Duration::from_secs(10 * 60)),
            free_failures: 3,
            longest_delay: Span(Duration::from_secs(4)),
            at_once_per_client: NonZeroU32::MIN.saturating_add(63),
            at_once_per_site: NonZeroU32::MIN.saturating_add(255),
            at_once_per_name: NonZeroU32::MIN.saturating_add(31),
        }
    }
}

impl Logins {
    /// Slows failed logins down.
    pub(crate) fn failed(&self) -> FailedLoginsLayer {
        FailedLoginsLayer::new()
            .free_failures(self.free_failures)
            .longest_delay(self.longest_delay.0)
            .at_once_per_client(self.at_once_per_client.get())
            .at_once_per_site(self.at_once_per_site.get())
            .at_once_per_name(self.at_once_per_name.get())
    }

    /// Remembers what was verified.
    pub(crate) fn remembered(&self) -> Result<RememberLayer, BoxError> {
        Ok(RememberLayer::new()?
            .right_for(self.remember.0)
            .wrong_for(self.remember_wrong.0))
    }

    /// Makes a verifier of a function that hashes.
    pub(crate) fn verifier<F>(&self, verify: F) -> BlockingVerifier
    where
        F: Fn(&mut Memory, &Credentials) -> Result<Identity, AuthError> + Send + Sync + 'static,
    {
        let mut verifier = BlockingVerifier::with_memory(Memory::new, verify);
        if let Some(turns) = self.hashes_at_once {
            verifier = verifier.turns(turns.get());
        }
        if let Some(most) = self.hashes_waiting {
            verifier = verifier.queue(most.get());
        }
        verifier
    }
}
