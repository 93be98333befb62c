// The answer is a text.
use tower_socks::{BoxError, connector::direct::Direct, proto::DomainName};

fn resolver() {
    _ = Direct::new().resolver(tower::service_fn(async |_: DomainName| {
        Ok::<_, BoxError>(String::new())
    }));
}

fn main() {}
