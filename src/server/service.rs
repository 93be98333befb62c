use std::future::Future;

use tower::ServiceExt;
use tower_service::Service;

use crate::{error::BoxError, session::Accepted};

/// What [`serve`](crate::serve) serves: a service for accepted connections.
///
/// Every `Service<Accepted<Io>>` is one, and nothing else can be. Its response is not looked at.
#[diagnostic::on_unimplemented(
    message = "this stack cannot be served: its outermost layer does not take an `Accepted<{Io}>`",
    label = "not a service for accepted connections",
    note = "found `{Self}`",
    note = "a stack is, from the outside to the inside: `.layer(HandshakeLayer::new())`, \
            `.layer(AuthLayer::new(NoAuth))`, layers over requests such as `AclLayer`, and \
            `.service(Connector::direct())`"
)]
pub trait AcceptService<Io>: Send + 'static {
    /// What comes of a session.
    type Response: Send;
    /// Why a session, or the whole stack, fails.
    type Error: Into<BoxError> + Send;
    /// A session.
    type Future: Future<Output = Result<Self::Response, Self::Error>> + Send + 'static;

    /// Waits until a connection can be served.
    fn ready(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Serves a connection; only after `ready`.
    fn serve(&mut self, accepted: Accepted<Io>) -> Self::Future;
}

impl<S, Io> AcceptService<Io> for S
where
    S: Service<Accepted<Io>> + Send + 'static,
    S::Response: Send,
    S::Error: Into<BoxError> + Send,
    S::Future: Send + 'static,
    Io: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    async fn ready(&mut self) -> Result<(), S::Error> {
        ServiceExt::ready(self).await.map(|_| ())
    }

    fn serve(&mut self, accepted: Accepted<Io>) -> S::Future {
        self.call(accepted)
    }
}
