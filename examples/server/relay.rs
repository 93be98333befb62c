//! `[relay]` of the file: how bytes of tunnels are moved.

use serde::Deserialize;

/// `[relay]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RelayTable {
    /// Whether bulk data is moved by splice(2).
    pub(crate) splice: bool,
}

impl Default for RelayTable {
    fn default() -> Self {
        Self { splice: true }
    }
}
