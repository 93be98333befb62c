// The answer is a text.
use tower_socks::{BoxError, connector::{direct::Direct, resolve::Lookup}};

fn resolver() {
    _ = Direct::new().resolver(tower::service_fn(async |_: Lookup| {
        Ok::<_, BoxError>(String::new())
    }));
}

fn main() {}
