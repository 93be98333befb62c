//! rama's SOCKS5 server, set up as in its authors' examples: `compare-rama ADDRESS`.
//!
//! The default connector and the default UDP relay on loopback, its listener, tokio's default
//! runtime, a log at level warn.

use rama::{
    error::BoxError,
    net::address::SocketAddress,
    proxy::socks5::{Socks5Acceptor, server::DefaultUdpRelay},
    rt::Executor,
    tcp::server::TcpListener,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    let address: SocketAddress = std::env::args()
        .nth(1)
        .ok_or("which address?")?
        .parse()?;
    let executor = Executor::default();
    let listener =
        TcpListener::bind_address(address, executor.clone()).await?;
    let socks = Socks5Acceptor::new(executor)
        .with_default_connector()
        .with_udp_associator(
            DefaultUdpRelay::default().with_bind_address(SocketAddress::local_ipv4(0)),
        );
    listener.serve(socks).await;
    Ok(())
}
