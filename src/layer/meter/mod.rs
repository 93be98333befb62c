//! Limits on the bytes of tunnels: see [`MeterLayer`].

mod bandwidth;
mod future;
mod layer;
mod make_meter;
mod quota;
mod quota_store;
mod token_bucket;
mod tunnel;

pub use self::{
    bandwidth::Bandwidth,
    layer::MeterLayer,
    make_meter::MakeMeter,
    quota::ByteQuota,
    quota_store::{MemoryStore, QuotaStore},
    tunnel::MeterTunnel,
};
