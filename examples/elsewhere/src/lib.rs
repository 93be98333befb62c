//! What the programs in `src/bin` share: a SOCKS5 proxy on loopback, whose clients they are.

#![allow(missing_docs)]

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve};

/// Starts a proxy for CONNECT and UDP ASSOCIATE on a free port, and returns its address.
///
/// # Errors
///
/// When there is no port.
pub async fn proxy() -> io::Result<SocketAddr> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok(address)
}
