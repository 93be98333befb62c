mod layer;

pub use self::layer::{SessionMetrics, SessionMetricsFuture, SessionMetricsLayer};
