use std::fmt;

use futures_util::future::BoxFuture;

use crate::{error::Refusal, session::Request};

/// Decides whether a request is admitted, and hands out a permit that is held until its tunnel ends:
/// [`ConcurrentTunnels`](super::ConcurrentTunnels), [`RequestRate`](super::RequestRate), or one of
/// yours for [`LimitLayer`](super::LimitLayer).
///
/// ```
/// use std::sync::Arc;
/// use tokio::sync::{OwnedSemaphorePermit, Semaphore};
/// use tower_socks::{
///     Refusal, Request,
///     layer::limit::{Admission, LimitLayer, Limiter},
/// };
/// # use tower::{Layer, ServiceExt};
/// # use tower_socks::{
/// #     Connector,
/// #     proto::{Address, Command},
/// # };
///
/// /// Has requests wait in one queue for one of so many tunnels.
/// #[derive(Clone)]
/// struct Queue(Arc<Semaphore>);
///
/// impl Limiter for Queue {
///     type Permit = OwnedSemaphorePermit;
///
///     fn admit(&self, _: &Request) -> Admission<OwnedSemaphorePermit> {
///         let semaphore = self.0.clone();
///         Admission::Later(Box::pin(async move {
///             let closed = |_| Refusal::not_allowed("no more requests for today");
///             semaphore.acquire_owned().await.map_err(closed)
///         }))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_socks::BoxError> {
/// let queue = Queue(Arc::new(Semaphore::new(1)));
/// let service = LimitLayer::new(queue.clone()).layer(Connector::direct());
/// # let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
/// let tunnel = service.clone().oneshot(request.clone()).await?;
/// assert_eq!(queue.0.available_permits(), 0);
/// drop(tunnel);
/// assert_eq!(queue.0.available_permits(), 1);
///
/// queue.0.close();
/// let error = service.oneshot(request).await.unwrap_err();
/// assert_eq!(error.to_string(), "no more requests for today");
/// # Ok(())
/// # }
/// ```
pub trait Limiter: Clone + Send + Sync + 'static {
    /// Represents an admitted request. Dropping it ends the use of whatever it permits.
    type Permit: Send + 'static;

    /// Asks for a permit.
    fn admit(&self, request: &Request) -> Admission<Self::Permit>;
}

/// The decision of a [`Limiter`].
pub enum Admission<P> {
    /// Admits the request.
    Permit(P),
    /// Refuses the request, with the reply code of the refusal.
    Refused(Refusal),
    /// Decides later. Dropping the future gives up the place in the queue.
    Later(BoxFuture<'static, Result<P, Refusal>>),
}

impl<P> fmt::Debug for Admission<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit(_) => "Permit",
            Self::Refused(_) => "Refused",
            Self::Later(_) => "Later",
        })
    }
}
