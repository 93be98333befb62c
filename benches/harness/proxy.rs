//! The proxies that are compared.

use std::time::Duration;

use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Refusal, Request, Tunnel,
    connector::associate::Associate,
    layer::{mixed::MixedLayer, socks4::Socks4Layer, udp_over_tcp::UdpOverTcpLayer},
    serve,
    server::Listener,
    session::Check,
};

use super::{handwritten, peers::Spoken};

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// A stack of this crate's layers, as a user writes it.
    Stack,
    /// A loop on tokio.
    Handwritten,
    /// The stack behind a port for all protocols, and clients of SOCKS5.
    OnePort,
    /// The same, and clients of SOCKS4.
    OnePortSocks4,
    /// The same, and clients of HTTP, by CONNECT.
    #[cfg(feature = "http-server")]
    OnePortHttp,
    /// The stack with datagrams that travel in the stream, and clients of UDP over TCP.
    UdpOverTcp,
}

impl Proxy {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[
        Self::Stack,
        Self::Handwritten,
        Self::OnePort,
        Self::OnePortSocks4,
        #[cfg(feature = "http-server")]
        Self::OnePortHttp,
        Self::UdpOverTcp,
    ];

    /// Those that connect; those of the one port serve the same, and their clients differ.
    pub(crate) const EACH: &[Self] = &[
        Self::Stack,
        Self::Handwritten,
        Self::OnePort,
        Self::OnePortSocks4,
        #[cfg(feature = "http-server")]
        Self::OnePortHttp,
    ];

    pub(crate) const BOTH: [Self; 2] = [Self::Stack, Self::Handwritten];

    /// For tables and command lines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Handwritten => "hand-written",
            Self::OnePort => "one port",
            Self::OnePortSocks4 => "its SOCKS4",
            #[cfg(feature = "http-server")]
            Self::OnePortHttp => "its HTTP",
            Self::UdpOverTcp => "UDP over TCP",
        }
    }

    /// The proxy with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|proxy| proxy.name() == name)
    }

    /// What its clients speak.
    pub(crate) const fn spoken(self) -> Spoken {
        match self {
            Self::Stack | Self::Handwritten | Self::OnePort => Spoken::Socks5,
            Self::OnePortSocks4 => Spoken::Socks4,
            #[cfg(feature = "http-server")]
            Self::OnePortHttp => Spoken::Http,
            Self::UdpOverTcp => Spoken::UdpOverTcp,
        }
    }

    /// Serves for ever.
    pub(crate) async fn run(self, listener: TcpListener) -> Result<(), BoxError> {
        match self {
            Self::Stack => run_stack(listener, Connector::direct()).await,
            Self::UdpOverTcp => {
                // All of them are one client's.
                let associate = Associate::new().per_client(usize::MAX);
                let connector = Connector::direct().with_associate(associate);
                run_stack(listener, UdpOverTcpLayer::new().layer(connector)).await
            }
            Self::Handwritten => Ok(handwritten::serve(listener).await?),
            _ => run_one_port(listener).await,
        }
    }
}

/// Every layer that there is, over a connector.
pub(crate) async fn run_stack<L, C>(listener: L, connector: C) -> Result<(), BoxError>
where
    L: Listener,
    C: Service<Request> + Clone + Send + Sync + 'static,
    C::Response: Tunnel,
    C::Error: Into<BoxError>,
    C::Future: Send,
{
    let no_mail = |request: &Request, _: Check| match request.target.port() {
        25 => Err(Refusal::not_allowed("no mail")),
        _ => Ok(()),
    };
    let stack = ServiceBuilder::new()
        .concurrency_limit(10_000)
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .timeout(Duration::from_secs(30))
        .layer(AclLayer::new(no_mail))
        .service(connector);
    serve(listener, stack).await
}

/// The same layers behind one port for all protocols.
async fn run_one_port(listener: TcpListener) -> Result<(), BoxError> {
    let no_mail = |request: &Request, _: Check| match request.target.port() {
        25 => Err(Refusal::not_allowed("no mail")),
        _ => Ok(()),
    };
    let protocols = MixedLayer::new()
        .socks5(HandshakeLayer::new())
        .socks4(Socks4Layer::new());
    #[cfg(feature = "http-server")]
    let protocols = protocols.http(tower_socks::layer::http::HttpLayer::new());
    let stack = ServiceBuilder::new()
        .concurrency_limit(10_000)
        .layer(protocols)
        .layer(AuthLayer::new(NoAuth))
        .timeout(Duration::from_secs(30))
        .layer(AclLayer::new(no_mail))
        .service(Connector::direct());
    serve(listener, stack).await
}

/// A subscriber that lets warnings through, as in production: sessions end below that level.
pub(crate) fn log_warnings() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
}
