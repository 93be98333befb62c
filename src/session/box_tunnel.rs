use std::{fmt, future::Future, io};

use futures_util::future::BoxFuture;

use super::Tunnel;
use crate::io::ClientStream;
use crate::{io::BoxStream, proto::Address, relay::Traffic};

/// A tunnel of any type, in a box: for services that carry requests out in ways that are chosen at
/// run time.
///
/// It costs two allocations for each tunnel. Bulk data moves as it does without.
///
/// ```
/// use tower::ServiceExt;
/// use tower_socks::{
///     BoxError, Connector, Direct, Request, session::BoxTunnel, connector::Unsupported,
/// };
/// use tower::util::BoxCloneSyncService;
///
/// type Way = BoxCloneSyncService<Request, BoxTunnel, BoxError>;
/// let ways: [Way; 2] = [
///     Way::new(Connector::direct().map_response(BoxTunnel::new)),
///     Way::new(Unsupported.map_err(Into::into).map_response(BoxTunnel::new)),
/// ];
/// # _ = ways;
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
        Box::pin(async move { Tunnel::run(*self, client).await })
    }
}

impl BoxTunnel {
    /// Puts a tunnel into a box.
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
