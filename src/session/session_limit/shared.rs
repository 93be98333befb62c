//! What clones of a limit share.

use std::sync::Arc;

use super::{numbers::Numbers, places::Places};

/// What clones share. Those that were made before a builder's method have other numbers, and the same places.
pub(super) struct Shared {
    pub(super) numbers: Numbers,
    pub(super) places: Arc<Places>,
}
