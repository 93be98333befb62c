// A verifier that takes the message of RFC 1929 alone.
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, Identity, UserPass, proto::Credentials, serve,
};

async fn run(listener: tokio::net::TcpListener) -> Result<(), BoxError> {
    let verify = tower::service_fn(async |credentials: Credentials| {
        Ok::<_, BoxError>(Identity::named(credentials.name()))
    });
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(verify)))
        .service(Connector::direct());
    serve(listener, stack).await
}

fn main() {}
