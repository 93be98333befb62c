// A target that may have a request in it, and does not say so.
use tower_socks::{BoxError, Request, proto::Address, session::Target};

struct Wrapped(Request);

impl Target for Wrapped {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.0.target.clone())
    }
}

fn main() {}
