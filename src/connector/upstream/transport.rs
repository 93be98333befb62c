use std::time::Duration;

use tokio::time::timeout;
use tower::ServiceExt;
use tower_service::Service;

use crate::{client::ClientError, error::BoxError, proto::Address, session::Connected};

/// Connects to a proxy: any connector that takes its address and returns a stream.
///
/// Every `Service<Address, Response = Connected<Io>>` that is `Clone` is one:
/// [`Direct`](crate::connector::direct::Direct), another upstream, or a service of yours that puts
/// TLS on top of one, with [`Connected::map_io`]. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not connect to proxies",
    note = "a transport to a proxy is a `Service<Address>` that is `Clone`, whose `Response` is a \
            `Connected<Io>` and whose `Future` is `Send`"
)]
pub trait Transport: Clone + Send + 'static {
    /// The stream to the proxy.
    type Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static;

    /// Connects to the proxy, within a limit.
    #[doc(hidden)]
    fn reach(
        self,
        proxy: Address,
        limit: Duration,
    ) -> impl Future<Output = Result<Connected<Self::Io>, ClientError>> + Send;
}

#[diagnostic::do_not_recommend]
impl<C, Io> Transport for C
where
    C: Service<Address, Response = Connected<Io>> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    type Io = Io;

    async fn reach(self, proxy: Address, limit: Duration) -> Result<Connected<Io>, ClientError> {
        match timeout(limit, self.oneshot(proxy.clone())).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => {
                let source = error.into();
                Err(ClientError::Unreachable { proxy, source })
            }
            Err(elapsed) => {
                let source = elapsed.into();
                Err(ClientError::Unreachable { proxy, source })
            }
        }
    }
}
