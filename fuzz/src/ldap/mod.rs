//! What directories say, and names that go to them.
//!
//! The library keeps these to itself, so its files are compiled here once more.

#[allow(dead_code, reason = "the library needs all of it")]
#[path = "../../../src/layer/auth/ldap/ber.rs"]
mod ber;
#[allow(dead_code, reason = "the library needs all of it")]
#[path = "../../../src/layer/auth/ldap/dn.rs"]
mod dn;
#[allow(dead_code, reason = "the library needs all of it")]
#[path = "../../../src/layer/auth/ldap/filter.rs"]
mod filter;
#[allow(dead_code, reason = "the library needs all of it")]
#[path = "../../../src/layer/auth/ldap/message.rs"]
mod message;

mod expected;
mod messages;
mod names;

pub use self::{messages::ldap_message, names::ldap_names};
