use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Traffic,
    connector::{Unsupported, associate::Associate},
    layer::udp_over_tcp::UdpOverTcpLayer,
    serve,
    server::SessionLimit,
    session::{Accepted, Policy},
};

use super::ShadowsocksUpstream;
use crate::keys::Keys;

/// A SOCKS5 proxy whose requests all go through a shadowsocks server.
pub fn stack<Io>(
    keys: Keys,
    policy: impl Policy,
) -> impl Service<Accepted<Io>, Response = Traffic, Error = BoxError, Future: Send>
+ Clone
+ Send
+ 'static
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let upstream = ShadowsocksUpstream::new(keys);
    let transports = upstream.clone().into_transports();
    let connector = Connector::direct()
        .with_connect(upstream)
        .with_bind(Unsupported)
        .with_associate(Associate::with_transports(transports));
    ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(UdpOverTcpLayer::new())
        .layer(AclLayer::new(policy))
        .service(connector)
}

/// Serves it, 1,024 sessions at once, until it is dropped.
///
/// # Errors
///
/// When the listener cannot be used.
pub async fn run(listener: TcpListener, keys: Keys, policy: impl Policy) -> Result<(), BoxError> {
    let sessions = SessionLimit::new(1_024);
    serve(listener, stack(keys, policy))
        .sessions(sessions)
        .await
}
