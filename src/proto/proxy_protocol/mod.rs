//! The header of HAProxy's PROXY protocol, versions 1 and 2.

mod addresses;
mod crc32c;
mod error;
mod header;
mod tls;
mod tlv;
mod v1;
mod v2;

pub use self::{
    error::InvalidProxyHeader,
    header::{ProxyHeader, ProxyVersion},
    tls::ProxyTls,
    tlv::{ProxyTlv, ProxyTlvs},
};
