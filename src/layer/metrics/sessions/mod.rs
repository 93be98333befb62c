mod future;
mod layer;
mod left;

pub use self::layer::{SessionMetrics, SessionMetricsLayer};
