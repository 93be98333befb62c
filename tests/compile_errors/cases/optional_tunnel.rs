// A layer that wraps tunnels, in tower's `option_layer`.
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, layer::track::OpenTunnels, serve,
};

async fn run(listener: tokio::net::TcpListener, open: Option<OpenTunnels>) -> Result<(), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .option_layer(open.map(|open| open.layer()))
        .service(Connector::direct());
    serve(listener, stack).await
}

fn main() {}
