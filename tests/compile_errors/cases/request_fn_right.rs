// All forms of a closure, with what they capture and without types.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Refusal, Request, Tunnel, TunnelExt,
    layer::request_fn::{Next, request_fn},
    serve,
    session::Dial,
};

async fn named<S: Dial<Future: Send> + Clone>(request: Request, next: Next<S>) -> Result<impl Tunnel, BoxError> {
    next.run(request).await
}

fn stack(listener: tokio::net::TcpListener) {
    let count = Arc::new(AtomicUsize::new(0));
    let (first, second, third) = (count.clone(), count.clone(), count.clone());
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(request_fn(async move |request, next| {
            first.fetch_add(1, Ordering::Relaxed);
            tokio::net::lookup_host("localhost:1").await?;
            if request.target.port() == 25 {
                return Err(Refusal::not_allowed("no mail").into());
            }
            Ok(next.run(request).await?.hold(first).on_close(|_| ()))
        }))
        .layer(request_fn(move |request, next| async move {
            let tunnel = next.run(request).await?;
            Ok(tunnel.hold(second))
        }))
        .layer(request_fn(move |request, next| {
            let third = third.clone();
            async move { Ok(next.run(request).await?.hold(third).boxed()) }
        }))
        .layer(request_fn(named))
        .service(Connector::direct());
    _ = serve(listener, stack);
}

fn main() {}
