// The future of a layer between HandshakeLayer and AuthLayer holds an `Rc`.
use std::rc::Rc;

use tower::{ServiceBuilder, ServiceExt};
use tower_socks::{AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, serve};

async fn run(listener: tokio::net::TcpListener) -> Result<(), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer_fn(|inner: tower_socks::layer::auth::Auth<NoAuth, Connector>| {
            tower::service_fn(move |negotiation| {
                let inner = inner.clone();
                async move {
                    let held = Rc::new(());
                    let authenticated = inner.oneshot(negotiation).await;
                    drop(held);
                    authenticated
                }
            })
        })
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    serve(listener, stack).await
}

fn main() {}
