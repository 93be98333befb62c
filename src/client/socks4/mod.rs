//! SOCKS4 and SOCKS4a towards a proxy.

mod client;
mod messages;

pub use self::client::Socks4Client;
pub(super) use self::messages::read_reply;
