//! What the programs in `src/bin` share: a SOCKS5 proxy on loopback, whose clients they are.

#![allow(missing_docs)]

pub mod quic;

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, NoAuth, layer::udp_over_tcp::UdpOverTcpLayer, serve,
};

/// Starts a proxy for CONNECT, UDP ASSOCIATE and UDP over TCP on a free port, and returns its address.
///
/// # Errors
///
/// When there is no port.
pub async fn proxy() -> io::Result<SocketAddr> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(UdpOverTcpLayer::new())
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok(address)
}
