//! A gRPC call of tonic's client through a SOCKS5 proxy.
//!
//! The proxy and the gRPC server, which tells its health, are in this program too:
//!
//! ```text
//! cargo run --example tonic_client --features http
//! ```

#![allow(clippy::print_stdout)]

use tokio::net::TcpListener;
use tonic::transport::{Endpoint, Server, server::TcpIncoming};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, connector::upstream::Socks5Upstream,
    serve,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // The server: gRPC over HTTP/2.
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("example.Greeter", tonic_health::ServingStatus::Serving)
        .await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let server = Server::builder().add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    // The proxy.
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    // The client. The connector is a `Service<Uri>`, so tonic takes it as it is.
    let channel = Endpoint::from_shared(format!("http://localhost:{port}"))?
        .connect_with_connector(Socks5Upstream::new(proxy))
        .await?;
    let question = HealthCheckRequest {
        service: "example.Greeter".into(),
    };
    let answer = HealthClient::new(channel)
        .check(question)
        .await?
        .into_inner();
    println!("example.Greeter is {:?}", answer.status());
    assert_eq!(answer.status(), ServingStatus::Serving);
    Ok(())
}
