//! Datagrams by way of the proxy (RFC 1928 section 7).

mod receiver;
mod relay;
mod sender;
mod socket;

pub(super) use self::relay::Local;
pub use self::{receiver::ProxyReceiver, sender::ProxySender, socket::ProxySocket};
