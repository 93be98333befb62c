// The closure returns something that is no tunnel.
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, layer::request_fn::request_fn, serve};

fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(request_fn(async |request, next| {
            next.run(request).await?;
            Ok(String::new())
        }))
        .service(Connector::direct());
    _ = serve(listener, stack);
}

fn main() {}
