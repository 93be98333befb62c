//! The two proxies that are compared.

use std::time::Duration;

use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Refusal, Request, Tunnel,
    serve, server::Listener, session::Check,
};

use super::handwritten;

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// A stack of this crate's layers, as a user writes it.
    Stack,
    /// A loop on tokio.
    Handwritten,
}

impl Proxy {
    pub(crate) const BOTH: [Self; 2] = [Self::Stack, Self::Handwritten];

    /// For tables and command lines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Handwritten => "hand-written",
        }
    }

    /// The proxy with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|proxy| proxy.name() == name)
    }

    /// Serves for ever.
    pub(crate) async fn run(self, listener: TcpListener) -> Result<(), BoxError> {
        match self {
            Self::Stack => run_stack(listener, Connector::direct()).await,
            Self::Handwritten => Ok(handwritten::serve(listener).await?),
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

/// A subscriber that lets warnings through, as in production: sessions end below that level.
pub(crate) fn log_warnings() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
}
