use std::future::Future;

use futures_util::TryFutureExt;
use tower::ServiceExt;
use tower_service::Service;

use super::{Authenticated, Negotiation, Request, Tunnel};
use crate::error::BoxError;
use crate::io::ClientStream;

/// The part of a stack that [`HandshakeLayer`](crate::HandshakeLayer) wraps: it authenticates.
///
/// Every `Service<Negotiation<Io>, Response = Authenticated<W, S>>` that can be cloned is one, and nothing
/// else can be: [`AuthLayer`](crate::AuthLayer), alone or under tower's middleware.
#[diagnostic::on_unimplemented(
    message = "inside `HandshakeLayer`, `{Self}` does not authenticate clients",
    label = "`AuthLayer` is missing, or has no authentication method",
    note = "write `.layer(HandshakeLayer::new()).layer(AuthLayer::new(NoAuth))` and then the \
            service for requests, such as `Connector::direct()`; tower's middleware may stand in \
            between",
    note = "where it says `Auth<A, ..>`, `A` is no authentication method: it has to be `NoAuth`, \
            `UserPass::new(users)`, a tuple of these, or a type of yours that implements \
            `Authenticate<Io>` for every `Io: ClientStream`"
)]
pub trait Negotiate<Io>: Clone + Send + 'static {
    /// The client's stream behind the sub-negotiation.
    type Stream: ClientStream;
    /// What carries out the client's request: a [`Dial`].
    type Service: Send;

    /// Authenticates the client. Readiness is asked here, after the client has spoken.
    fn negotiate(
        self,
        negotiation: Negotiation<Io>,
    ) -> impl Future<Output = Result<Authenticated<Self::Stream, Self::Service>, BoxError>> + Send;
}

#[diagnostic::do_not_recommend]
impl<M, Io, W, S> Negotiate<Io> for M
where
    M: Service<Negotiation<Io>, Response = Authenticated<W, S>> + Clone + Send + 'static,
    M::Error: Into<BoxError>,
    M::Future: Send,
    Io: Send,
    W: ClientStream,
    S: Send,
{
    type Stream = W;
    type Service = S;

    fn negotiate(
        self,
        negotiation: Negotiation<Io>,
    ) -> impl Future<Output = Result<Authenticated<W, S>, BoxError>> + Send {
        self.oneshot(negotiation).map_err(Into::into)
    }
}

/// The part of a stack that [`AuthLayer`](crate::AuthLayer) wraps: it carries out requests.
///
/// Every `Service<Request>` that can be cloned and whose response is a [`Tunnel`] is one, and
/// nothing else can be.
#[diagnostic::on_unimplemented(
    message = "`AuthLayer` needs a service for requests inside it, but found `{Self}`",
    label = "this does not turn a `Request` into a `Tunnel`",
    note = "end the stack with `.service(Connector::direct())`; layers between `AuthLayer` and it \
            take a `Request` and answer with a `Tunnel`",
    note = "a service of your own in this place is a `Service<Request>` that is `Clone` and whose \
            `Response` implements `Tunnel`"
)]
pub trait Dial: Clone + Send + 'static {
    /// What comes of a request.
    type Tunnel: Tunnel;

    /// Carries the request out. Readiness is asked here, after the client has spoken.
    fn dial(self, request: Request) -> impl Future<Output = Result<Self::Tunnel, BoxError>> + Send;
}

#[diagnostic::do_not_recommend]
impl<S> Dial for S
where
    S: Service<Request> + Clone + Send + 'static,
    S::Response: Tunnel,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Tunnel = S::Response;

    fn dial(self, request: Request) -> impl Future<Output = Result<S::Response, BoxError>> + Send {
        self.oneshot(request).map_err(Into::into)
    }
}
