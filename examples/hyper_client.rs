//! HTTP requests of hyper's client through a SOCKS5 proxy, over one tunnel that is kept alive.
//!
//! The proxy and the web server are in this program too:
//!
//! ```text
//! cargo run --example hyper_client --features http
//! ```

#![allow(clippy::print_stdout)]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, connector::upstream::Socks5Upstream,
    serve,
};

// The client's pool has a connection back once its task has run. On another thread, that may be
// later than the next request, which then has a tunnel of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let site = web_server().await?;
    let (proxy, tunnels) = proxy().await?;

    // The connector is a `Service<Uri>`, so the client takes it as it is.
    let connector = Socks5Upstream::new(proxy);
    let client = Client::builder(TokioExecutor::new()).build(connector);

    for path in ["/one", "/two", "/three"] {
        let uri = format!("http://localhost:{}{path}", site.port());
        let request = Request::get(&uri).body(Empty::<Bytes>::new())?;
        let response = client.request(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        println!("{uri}: {}", String::from_utf8_lossy(&body));
        assert_eq!(body, format!("you asked for {path}"));
    }
    let tunnels = tunnels.load(Ordering::Relaxed);
    println!("three requests over {tunnels} tunnel");
    assert_eq!(tunnels, 1);
    Ok(())
}

/// A proxy, and how many requests it has had.
async fn proxy() -> Result<(SocketAddr, Arc<AtomicUsize>), BoxError> {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .map_request(move |request: tower_socks::Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            request
        })
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok((address, requests))
}

/// Says what it was asked for.
async fn web_server() -> Result<SocketAddr, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(async |request: Request<Incoming>| {
                let text = format!("you asked for {}", request.uri().path());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok(address)
}
