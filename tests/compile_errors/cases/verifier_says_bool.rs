// A verifier says yes or no, and not who it is.
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, BoxError, Connector, Credentials, HandshakeLayer, UserPass, serve};

async fn run(listener: tokio::net::TcpListener) -> Result<(), BoxError> {
    let verify = tower::service_fn(async |credentials: Credentials| {
        Ok::<_, BoxError>(credentials.name() == b"joe")
    });
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(verify)))
        .service(Connector::direct());
    serve(listener, stack).await
}

fn main() {}
