mod failures;
mod future;
mod layer;

pub use self::layer::{FailedLogins, FailedLoginsLayer};
