mod future;
mod layer;

pub use self::layer::{UpstreamMetrics, UpstreamMetricsLayer};
