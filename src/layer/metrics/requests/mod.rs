mod layer;

pub use self::layer::{MetricsTunnel, RequestMetrics, RequestMetricsFuture, RequestMetricsLayer};
