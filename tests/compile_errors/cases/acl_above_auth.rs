// AclLayer stands where there is no request yet.
use std::{time::Duration};

use tower::ServiceBuilder;
use tower_socks::{session::Check, AclLayer, AuthLayer, Connector, HandshakeLayer, NoAuth, Request, serve};

async fn stack(listener: tokio::net::TcpListener) {
    let stack = ServiceBuilder::new()
        .concurrency_limit(10)
        .layer(HandshakeLayer::new())
        .timeout(Duration::from_secs(1))
        .layer(AclLayer::new(|_: &Request, _: Check| Ok(())))
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    _ = serve(listener, stack).await;
}

fn main() {}
