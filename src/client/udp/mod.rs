//! Datagrams through the proxy: by its relay (RFC 1928 section 7), or in the stream to it.

mod association;
mod frame_stream;
mod framed;
mod receiver;
mod relay;
mod requests;
mod sender;
mod socket;
mod wakers;

use self::association::LocalSocket;
pub use self::{receiver::ProxyReceiver, sender::ProxySender, socket::ProxySocket};
