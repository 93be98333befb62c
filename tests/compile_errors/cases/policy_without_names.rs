// A policy that forgets what other proxies resolve.
use std::net::SocketAddr;

use tower_socks::{Refusal, Request, session::Policy};

struct Addresses;

impl Policy for Addresses {
    fn check(&self, _: &Request) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_address(&self, _: &Request, _: SocketAddr) -> Result<(), Refusal> {
        Err(Refusal::not_allowed("nowhere"))
    }
}

fn main() {}
