use futures_util::future::try_join;

use crate::session::{Admission, Request};

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

/// Asks it if it is there, and admits all requests otherwise.
impl<L: Limiter> Limiter for Option<L> {
    type Permit = Option<L::Permit>;

    fn admit(&self, request: &Request) -> Admission<Self::Permit> {
        match self {
            Some(limiter) => limiter.admit(request).map(Some),
            None => Admission::Permit(None),
        }
    }
}

/// Asks both at once, so that two whose counts are across a network cost one round trip. A request is admitted by both or by
/// neither; the refusal is that of the first that refuses.
impl<A: Limiter, B: Limiter> Limiter for (A, B) {
    type Permit = (A::Permit, B::Permit);

    fn admit(&self, request: &Request) -> Admission<Self::Permit> {
        let first = match self.0.admit(request) {
            Admission::Refused(refusal) => return Admission::Refused(refusal),
            first => first,
        };
        match (first, self.1.admit(request)) {
            (Admission::Refused(refusal), _) | (_, Admission::Refused(refusal)) => {
                Admission::Refused(refusal)
            }
            (Admission::Permit(first), Admission::Permit(second)) => {
                Admission::Permit((first, second))
            }
            (Admission::Permit(first), Admission::Later(second)) => {
                Admission::Later(Box::pin(async { Ok((first, second.await?)) }))
            }
            (Admission::Later(first), Admission::Permit(second)) => {
                Admission::Later(Box::pin(async { Ok((first.await?, second)) }))
            }
            (Admission::Later(first), Admission::Later(second)) => {
                Admission::Later(Box::pin(try_join(first, second)))
            }
        }
    }
}
