//! tower-socks with the whole stack on, as a user writes it: `short-stack ADDRESS`.

use std::{net::SocketAddr, time::Duration};

use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Rules, rules::Action, serve,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    let address: SocketAddr = std::env::args().nth(1).ok_or("which address?")?.parse()?;
    // The default rules, and the targets are on loopback.
    let rules = Rules::builder(Action::Allow).allow_private().build();
    let stack = ServiceBuilder::new()
        .concurrency_limit(20_000)
        .layer(HandshakeLayer::new().deadline(Duration::from_secs(10)))
        .layer(AuthLayer::new(NoAuth))
        .timeout(Duration::from_secs(30))
        .layer(AclLayer::new(rules))
        .service(Connector::direct());
    let listener = TcpListener::bind(address).await?;
    serve(listener, stack).await
}
