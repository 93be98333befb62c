//! What the protocols of clients share: how a connection is held, and how its end is logged.
//!
//! Each of them reads a request and writes a reply of its own. In between they do the same: authenticate within
//! one deadline, bring the target into its one form, and execute the request for as long as the client
//! waits for it.

mod admit;
mod dial;
mod foreign;
mod hold;
mod lines;
mod log;

#[cfg(feature = "tls")]
pub(crate) use self::hold::before;
#[cfg(feature = "http-server")]
pub(crate) use self::hold::{Opened, asks, execute, login_failed, request_span};
pub(crate) use self::{
    admit::{admit, malformed},
    dial::dial,
    foreign::{Seen, turn_away},
    hold::{deadline, hold, record, recording, span},
    lines::{Lines, Party},
};
