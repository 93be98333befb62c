// A layer that wraps tunnels is optional where both tunnels are boxed.
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, layer::track::OpenTunnels, serve,
    session::BoxTunnel,
};

async fn run(listener: tokio::net::TcpListener, open: Option<OpenTunnels>) -> Result<(), BoxError> {
    let track = open.map(|open| {
        ServiceBuilder::new()
            .map_response(BoxTunnel::new)
            .layer(open.layer())
            .into_inner()
    });
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .option_layer(track)
        .map_response(BoxTunnel::new)
        .service(Connector::direct());
    serve(listener, stack).await
}

fn main() {}
