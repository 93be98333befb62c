//! Limits on the bytes of tunnels: see [`MeterLayer`].

mod bandwidth;
mod layer;
mod make_meter;
mod quota;
mod quota_store;
mod token_bucket;

pub use self::{
    bandwidth::{Bandwidth, BandwidthMeter},
    layer::{MeterFuture, MeterLayer, MeterService, MeterTunnel},
    make_meter::MakeMeter,
    quota::{ByteQuota, QuotaMeter},
    quota_store::{MemoryStore, QuotaStore},
};
