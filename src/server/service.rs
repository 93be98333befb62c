use std::future::Future;

use tower::ServiceExt;
use tower_service::Service;

use crate::{error::BoxError, session::Accepted};

/// Takes accepted connections: what [`serve`](crate::serve) serves.
///
/// Sealed: every `Service<Accepted<Io>>` is one. Its response is not looked at.
#[diagnostic::on_unimplemented(
    message = "this stack cannot be served: its outermost layer does not take an `Accepted<{Io}>`",
    label = "not a service for accepted connections",
    note = "found `{Self}`",
    note = "a stack is, from the outside to the inside: `.layer(HandshakeLayer::new())`, \
            `.layer(AuthLayer::new(NoAuth))`, layers over requests such as `AclLayer`, and \
            `.service(Connector::direct())`"
)]
pub trait AcceptService<Io>: Send + 'static {
    /// The response of a session.
    type Response: Send;
    /// The error of a session, or of the whole stack.
    type Error: Into<BoxError> + Send;
    /// The future of a session.
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
