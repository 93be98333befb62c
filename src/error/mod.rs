//! Errors: their reply codes, and whose fault they were.
//!
//! Services below [`AuthLayer`](crate::AuthLayer) fail with any error at all. [`reply_code`] makes of
//! it what the client is told, and [`Fault::of`] at which level it is logged:
//!
//! | error, found anywhere in the `source()` chain | REP |
//! |---|---|
//! | [`Refusal`] | its own code |
//! | [`LookupError`] | 04 host unreachable where it is the name's fault, 01 general failure where it is ours or an upstream's, which may have replied 02 or 06 |
//! | [`ClientError`](crate::ClientError), where another proxy has replied | the code of its reply, Tor's F0 to F7 among them; 01 of one for SOCKS4, which has one code for all failures |
//! | the same and `HttpError`, where the other proxy was too slow | 06 TTL expired |
//! | [`ClientError`](crate::ClientError), where a SOCKS4 proxy cannot be told the target | 08 address type not supported |
//! | `HttpError` with status 403, 504 | 02 not allowed, 06 TTL expired |
//! | the same two otherwise, whatever they came from | 01 general failure |
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
//! replaces the table for all replies of its sessions, and
//! [`Request::reply_code`](crate::Request::reply_code) tells what is sent. [`Fault`], and with it the
//! level in the log, is by the error itself and not by what is replied: 01 is the reply to our own
//! failures, and to those of an upstream as well.

mod auth;
mod chain;
mod classify;
pub(crate) mod client;
mod client_io;
mod client_text;
mod exhausted;
mod fault;
mod foreign;
#[cfg(feature = "http-connect")]
pub(crate) mod http;
mod lookup;
mod refusal;
mod reply_code;
mod session;
mod step;
#[cfg(feature = "tls")]
mod tls;
mod unknown_user;

#[cfg(feature = "rules")]
pub(crate) use self::chain::Escaped;
#[cfg(feature = "tls")]
pub use self::tls::TlsError;
pub use self::{
    auth::{AuthError, FailedAttempt},
    fault::Fault,
    foreign::ForeignProtocol,
    lookup::{LookupError, LookupErrorKind},
    refusal::Refusal,
    reply_code::reply_code,
    session::SessionError,
    step::Step,
    unknown_user::UnknownUser,
};
pub(crate) use self::{
    chain::{Chain, find},
    classify::is_upstream_down,
    exhausted::{error_code, is_exhausted, is_own},
    reply_code::{ReplyCodes, own_reply_code},
};

/// The error of every service in a stack, tower's own.
pub type BoxError = tower::BoxError;
