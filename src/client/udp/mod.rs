//! Datagrams through the proxy (RFC 1928 section 7).

mod association;
mod receiver;
mod sender;
mod socket;

pub(super) use self::association::LocalSocket;
pub use self::{receiver::ProxyReceiver, sender::ProxySender, socket::ProxySocket};
