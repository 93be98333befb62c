// HandshakeLayer is forgotten.
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, Connector, NoAuth, serve};

async fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    _ = serve(listener, stack).await;
}

fn main() {}
