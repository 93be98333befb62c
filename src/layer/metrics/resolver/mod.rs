mod layer;

pub use self::layer::{LookupMetrics, LookupMetricsFuture, LookupMetricsLayer};
