//! Why a proxy cannot be reached.

use crate::{client::ClientError, error::BoxError};

/// The error of the transport by itself: who asked says for which proxy.
pub(super) fn beneath(error: ClientError) -> BoxError {
    match error {
        ClientError::Unreachable { source, .. } => source,
        other => other.into(),
    }
}
