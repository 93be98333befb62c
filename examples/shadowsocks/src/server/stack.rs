use tokio::net::{TcpListener, UdpSocket};
use tower::{Service, ServiceBuilder};
use tower_socks::{
    AclLayer, BoxError, Connector, Request, Tunnel,
    connector::Unsupported,
    layer::{
        key,
        limit::{ConcurrentTunnels, LimitLayer},
        trace::TraceLayer,
        udp_over_tcp::UdpOverTcpLayer,
    },
    serve,
    server::{HandshakeLimit, SessionLimit},
    session::Policy,
};

use super::{Bounds, ShadowsocksLayer, serve_datagrams};
use crate::keys::Keys;

/// What is below the protocol: the same for streams and datagrams, and the same as in a SOCKS5 proxy. Some clients of
/// shadowsocks send UDP over TCP, which is no other here.
pub fn stack(
    policy: impl Policy,
) -> impl Service<Request, Response: Tunnel, Error = BoxError, Future: Send> + Clone + Send + 'static
{
    ServiceBuilder::new()
        .layer(UdpOverTcpLayer::new())
        .layer(TraceLayer::new())
        .layer(AclLayer::new(policy))
        .layer(LimitLayer::new(ConcurrentTunnels::new(512, key::user)))
        .service(Connector::direct().with_bind(Unsupported))
}

/// Serves both, within bounds, until it is dropped.
///
/// # Errors
///
/// When a socket cannot be used.
pub async fn run<S>(
    streams: TcpListener,
    datagrams: UdpSocket,
    keys: Keys,
    stack: S,
) -> Result<(), BoxError>
where
    S: Service<Request, Response: Tunnel, Error = BoxError, Future: Send>,
    S: Clone + Send + 'static,
{
    let service = ServiceBuilder::new()
        .layer(ShadowsocksLayer::new(keys.clone()))
        .service(stack.clone());
    let streams = serve(streams, service)
        .sessions(SessionLimit::new(4_096).per_client(1_024).per_user(512))
        .handshakes(HandshakeLimit::per_client(64));
    tokio::select! {
        ended = streams.into_future() => ended,
        ended = serve_datagrams(datagrams, keys, Bounds::default(), stack) => Ok(ended?),
    }
}
