mod future;
mod layer;

pub use self::layer::{LookupMetrics, LookupMetricsLayer};
