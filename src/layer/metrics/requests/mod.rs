mod future;
mod layer;
mod tunnel;

pub use self::{
    layer::{RequestMetrics, RequestMetricsLayer},
    tunnel::MetricsTunnel,
};
