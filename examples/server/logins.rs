//! `[logins]` of the file: how passwords are verified, and how guessing them is slowed down.

use std::{num::NonZeroUsize, time::Duration};

use serde::Deserialize;
use tower_socks::{Credentials, Identity, error::AuthError, layer::auth::BlockingVerifier};

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
    pub(crate) remember: Span,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            hashes_at_once: None,
            hashes_waiting: None,
            remember: Span(Duration::from_secs(5 * 60)),
        }
    }
}

impl Logins {
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
