// The future of a service for requests holds an `Rc`.
use std::rc::Rc;

use tower::{Service, ServiceBuilder, service_fn};
use tower_socks::{AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Request, serve};

async fn run(listener: tokio::net::TcpListener) -> Result<(), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(service_fn(async |request: Request| {
            let held = Rc::new(());
            let tunnel = Connector::direct().call(request).await;
            drop(held);
            tunnel
        }));
    serve(listener, stack).await
}

fn main() {}
