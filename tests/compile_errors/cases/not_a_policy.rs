// The closure does not want to know the address.
use tower_socks::{AclLayer, Request};

fn layer() {
    _ = AclLayer::new(|_: &Request| Ok(()));
}

fn main() {}
