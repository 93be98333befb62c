//! Both sides of shadowsocks on loopback: what goes through, and what does not.

mod crafted;
mod garbage;
mod peer;
mod policies;
mod responses;
mod sessions;
mod strangers;
mod support;
mod through;
