use std::{
    fmt,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_service::Service;

use crate::{
    error::BoxError,
    io::BoxStream,
    session::{Connected, Request},
};

/// Boxes a connector of any type: for routes, chains and alternatives that are chosen at run time.
///
/// `T` is what it takes: a [`Request`], or an [`Address`](crate::proto::Address) where it is the
/// transport to a proxy. The stream comes in a [`BoxStream`], which the relay sees through.
///
/// ```
/// use tower_socks::{
///     Connector, connector::{BoxConnector, direct::Direct, upstream::Socks5Upstream},
/// };
/// use tower_socks::proto::Address;
///
/// let proxies: Vec<String> = vec!["192.0.2.1:1080".into(), "proxy.example:1080".into()];
/// let mut chain: BoxConnector<Address> = BoxConnector::new(Direct::new());
/// for proxy in &proxies {
///     let proxy: Address = proxy.parse()?;
///     chain = BoxConnector::new(Socks5Upstream::new(proxy).via(chain));
/// }
/// # Ok::<(), tower_socks::BoxError>(())
/// ```
pub struct BoxConnector<T = Request>(BoxCloneSyncService<T, Connected<BoxStream>, BoxError>);

impl<T: 'static> BoxConnector<T> {
    /// Boxes a connector.
    pub fn new<S, Io>(connector: S) -> Self
    where
        S: Service<T, Response = Connected<Io>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let boxed = |stream: Connected<Io>| stream.map_io(BoxStream::new);
        let connector = connector.map_response(boxed).map_err(Into::into);
        Self(BoxCloneSyncService::new(connector))
    }
}

impl<T> Service<T> for BoxConnector<T> {
    type Response = Connected<BoxStream>;
    type Error = BoxError;
    type Future = <BoxCloneSyncService<T, Connected<BoxStream>, BoxError> as Service<T>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: T) -> Self::Future {
        self.0.call(target)
    }
}

impl<T> Clone for BoxConnector<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for BoxConnector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxConnector")
    }
}
