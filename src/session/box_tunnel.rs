use std::{fmt, future::Future, io};

use futures_util::future::BoxFuture;

use super::Tunnel;
use crate::{
    io::{BoxStream, ClientStream},
    proto::Address,
    relay::Traffic,
};

/// Boxes a tunnel of any type, for routes that are chosen at run time.
///
/// It costs two allocations for each tunnel: the tunnel, and its future. Bulk data moves as it does without.
///
/// ```
/// use tower::ServiceExt;
/// use tower_socks::{
///     BoxError, Connector, Request, connector::{Unsupported, direct::Direct},
///     session::BoxTunnel,
/// };
/// use tower::util::BoxCloneSyncService;
///
/// type Route = BoxCloneSyncService<Request, BoxTunnel, BoxError>;
/// let routes: [Route; 2] = [
///     Route::new(Connector::direct().map_response(BoxTunnel::new)),
///     Route::new(Unsupported.map_err(Into::into).map_response(BoxTunnel::new)),
/// ];
/// # _ = routes;
/// ```
pub struct BoxTunnel(Box<dyn AnyTunnel>);

trait AnyTunnel: Send {
    fn bound(&self) -> Address;
    fn run(self: Box<Self>, client: BoxStream) -> BoxFuture<'static, io::Result<Traffic>>;
}

impl<T: Tunnel + 'static> AnyTunnel for T {
    fn bound(&self) -> Address {
        Tunnel::bound(self)
    }

    fn run(self: Box<Self>, client: BoxStream) -> BoxFuture<'static, io::Result<Traffic>> {
        Box::pin(Tunnel::run(*self, client))
    }
}

impl BoxTunnel {
    /// Boxes a tunnel, as [`TunnelExt::boxed`](super::TunnelExt::boxed) does.
    #[must_use]
    pub fn new(tunnel: impl Tunnel + 'static) -> Self {
        Self(Box::new(tunnel))
    }
}

impl Tunnel for BoxTunnel {
    fn bound(&self) -> Address {
        self.0.bound()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        self.0.run(client.boxed())
    }
}

impl fmt::Debug for BoxTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxTunnel")
    }
}
