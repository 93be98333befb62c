//! The limit of open descriptors.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises it: a session takes two, and the usual limit of 1,024 is about programs that use
/// `select(2)`.
pub(crate) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open descriptors");
    }
}
