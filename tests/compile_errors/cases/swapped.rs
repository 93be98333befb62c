// AuthLayer stands above HandshakeLayer.
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve};

async fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(NoAuth))
        .layer(HandshakeLayer::new())
        .service(Connector::direct());
    _ = serve(listener, stack).await;
}

fn main() {}
