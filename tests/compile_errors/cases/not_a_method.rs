// Users verify credentials; UserPass is the method that reads them.
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, Connector, HandshakeLayer, Users, serve};

async fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(Users::default()))
        .service(Connector::direct());
    _ = serve(listener, stack).await;
}

fn main() {}
