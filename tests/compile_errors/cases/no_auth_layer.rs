// AuthLayer is forgotten.
use tower::ServiceBuilder;
use tower_socks::{Connector, HandshakeLayer, serve};

async fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .service(Connector::direct());
    _ = serve(listener, stack).await;
}

fn main() {}
