// A verifier that nobody made a service of.
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, Credentials, HandshakeLayer, Identity, UserPass, serve,
};

async fn run(listener: tokio::net::TcpListener) -> Result<(), BoxError> {
    let verify =
        async |credentials: Credentials| Ok::<_, BoxError>(Identity::named(credentials.name()));
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(verify)))
        .service(Connector::direct());
    serve(listener, stack).await
}

fn main() {}
