// tower's RateLimit is not `Clone`, and every connection gets a clone of what is below the handshake.
use std::time::Duration;

use tower::ServiceBuilder;
use tower_socks::{AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, serve};

async fn run(listener: tokio::net::TcpListener) -> Result<(), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .rate_limit(5, Duration::from_secs(1))
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    serve(listener, stack).await
}

fn main() {}
