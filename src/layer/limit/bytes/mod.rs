//! Limits on the bytes of tunnels: see [`MeterLayer`].

mod bandwidth;
mod bucket;
mod layer;
mod metering;
mod quota;
mod store;

pub use self::{
    bandwidth::{Bandwidth, BandwidthMeter},
    layer::{MeterFuture, MeterLayer, MeterService, MeteredTunnel},
    metering::Metering,
    quota::{ByteQuota, QuotaMeter},
    store::{MemoryStore, QuotaStore},
};
