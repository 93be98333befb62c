// The service at the bottom answers with something that is no tunnel.
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, BoxError, HandshakeLayer, NoAuth, Request, serve};

async fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(tower::service_fn(async |_: Request| {
            Ok::<_, BoxError>(String::new())
        }));
    _ = serve(listener, stack).await;
}

fn main() {}
