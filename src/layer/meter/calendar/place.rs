use std::path::PathBuf;

/// Where counts are saved; in memory alone, if it is nowhere.
#[derive(Clone, Default)]
pub(super) struct Place {
    pub(super) now: Option<PathBuf>,
    /// From the next save on.
    pub(super) next: Option<PathBuf>,
}
