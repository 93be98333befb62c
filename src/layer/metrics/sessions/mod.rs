mod future;
mod layer;

pub use self::layer::{SessionMetrics, SessionMetricsLayer};
