// The closure stands where there is no request yet.
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, layer::request_fn::request_fn, serve};

fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(request_fn(async |request, next| next.run(request).await))
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    _ = serve(listener, stack);
}

fn main() {}
