use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tower::ServiceExt;
use tower_service::Service;

use super::ResponseFuture;
use crate::{
    connector::direct::Direct,
    error::{BoxError, TlsError},
    io::TlsStream,
    proto::Address,
    session::{Connected, Target},
    tls::{
        self,
        rustls::{ClientConfig, pki_types::ServerName},
    },
};

/// Connects by another connector, and speaks TLS as a client. See the [module](super).
#[derive(Clone)]
pub struct TlsConnector<C = Direct> {
    transport: C,
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    limit: Duration,
}

impl TlsConnector {
    /// Creates a connector that dials from this machine, with a limit of 10 s for the handshake.
    ///
    /// The configuration is that of [`ClientSettings`](crate::tls::ClientSettings), or any other one of rustls.
    pub fn new(config: impl Into<Arc<ClientConfig>>) -> Self {
        Self {
            transport: Direct::new(),
            config: config.into(),
            name: None,
            limit: Duration::from_secs(10),
        }
    }
}

impl<C> TlsConnector<C> {
    /// Connects by another connector: an upstream, or one that has other limits.
    #[must_use]
    pub fn via<T>(self, transport: T) -> TlsConnector<T> {
        TlsConnector {
            transport,
            config: self.config,
            name: self.name,
            limit: self.limit,
        }
    }

    /// Sets the name or address that the certificate has to be for, in place of the target's.
    #[must_use]
    pub fn server_name(mut self, name: ServerName<'static>) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the time that a handshake may take.
    #[must_use]
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl<C, T, Io> Service<T> for TlsConnector<C>
where
    C: Service<T, Response = Connected<Io>> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    T: Target,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = Connected<TlsStream>;
    type Error = BoxError;
    type Future = ResponseFuture;

    // The transport is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> ResponseFuture {
        let Self {
            transport,
            config,
            name,
            limit,
        } = self.clone();
        ResponseFuture::new(async move {
            let name = match name {
                Some(name) => name,
                None => name_of(&target.address()?)?,
            };
            let connected = transport.oneshot(target).await.map_err(Into::into)?;
            Ok(timeout(limit, shake_hands(config, name, connected)).await??)
        })
    }
}

/// Shakes hands over a stream that is connected. The caller bounds the time.
pub(in crate::connector) async fn shake_hands<Io>(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    connected: Connected<Io>,
) -> Result<Connected<TlsStream>, TlsError>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (io, connected) = connected.take_io();
    let io = tls::connect(config, name, io).await?;
    Ok(connected.map_io(|()| io))
}

/// Returns the name that the certificate of a target has to be for.
pub(in crate::connector) fn name_of(target: &Address) -> Result<ServerName<'static>, BoxError> {
    Ok(match target {
        Address::Ip(address) => ServerName::IpAddress(address.ip().into()),
        Address::Name(name, _) => ServerName::try_from(name.to_string())?,
    })
}

impl<C: fmt::Debug> fmt::Debug for TlsConnector<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector")
            .field("transport", &self.transport)
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
