//! Both sides of shadowsocks on loopback: what goes through, and what does not.

mod crafted;
mod policies;
mod responses;
mod sessions;
mod strangers;
mod support;
mod through;
