//! What goes wrong, and the one place where it becomes a reply code.
//!
//! Services below [`AuthLayer`](crate::AuthLayer) fail with any error at all. The handshake asks
//! [`reply_code`] what the client is told, and [`Fault`] says at which level it is logged:
//!
//! | error, found anywhere in the `source()` chain | REP |
//! |---|---|
//! | [`Refusal`] | its own code |
//! | [`ClientError`](crate::ClientError), where another proxy has replied | the code of its reply |
//! | `Elapsed`, tower's or tokio's | 06 TTL expired |
//! | tower's `Overloaded` | 01 general failure |
//! | [`io::ErrorKind::ConnectionRefused`](std::io::ErrorKind::ConnectionRefused) | 05 connection refused |
//! | [`io::ErrorKind::HostUnreachable`](std::io::ErrorKind::HostUnreachable) | 04 host unreachable |
//! | [`io::ErrorKind::NetworkUnreachable`](std::io::ErrorKind::NetworkUnreachable), [`NetworkDown`](std::io::ErrorKind::NetworkDown) | 03 network unreachable |
//! | [`io::ErrorKind::TimedOut`](std::io::ErrorKind::TimedOut) | 06 TTL expired |
//! | address family not supported by the system | 08 address type not supported |
//! | anything else | 01 general failure, never a guess |
//!
//! The outermost of several wins. [`HandshakeLayer::reply_code`](crate::HandshakeLayer::reply_code)
//! replaces the table.

mod auth;
mod chain;
mod refusal;
mod reply_code;
mod session;

pub(crate) use self::chain::{Chain, find};
pub use self::{
    auth::AuthError,
    refusal::Refusal,
    reply_code::reply_code,
    session::{Fault, SessionError, Step},
};

/// The error of every service in a stack, tower's own.
pub type BoxError = tower::BoxError;
