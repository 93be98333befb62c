mod attempts;
mod bounds;
mod future;
mod layer;
mod live;
mod memory;

pub use self::layer::{FailedLogins, FailedLoginsLayer};
