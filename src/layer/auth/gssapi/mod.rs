//! Authentication by GSS-API (RFC 1961), and the levels of protection behind it.

mod dialogue;
mod levels;
mod method;
mod steps;

use super::gate;

pub use self::method::Gssapi;
