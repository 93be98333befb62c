//! What servers of RADIUS say, and what is said to them.
//!
//! The library keeps these to itself, so its files are compiled here once more.

#[allow(dead_code, reason = "the library needs all of it")]
#[path = "../../../src/layer/auth/radius/attribute.rs"]
mod attribute;
#[allow(dead_code, reason = "the library needs all of it")]
#[path = "../../../src/layer/auth/radius/packet/mod.rs"]
mod packet;

mod answer;
mod expected;
mod question;

/// A packet that a server sends: it is read or refused, and means what it means to another reader. Signed, it is
/// authentic, and with any other octet in it it is not. The same octets are attributes and a password of ours.
pub fn radius_answer(data: &[u8]) {
    answer::read(data);
    answer::signed(data);
    question::sent(data);
}
