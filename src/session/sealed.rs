//! Sealed traits: what the crate asks of the services in a stack, and what the compiler says where one
//! does not have it.
//!
//! Each has one blanket implementation, so that nothing else can implement them. Each asks for one
//! thing, so that the compiler can name the one that is missing.

use std::future::Future;

use futures_util::{TryFutureExt, future::MapErr};
use tower::{ServiceExt, util::Oneshot};
use tower_service::Service;

use super::{Authenticated, Credentials, Identity, Negotiation, Request, Stated, Tunnel};
use crate::error::BoxError;
use crate::io::ClientStream;

/// Authenticates clients: the service inside [`HandshakeLayer`](crate::HandshakeLayer).
///
/// Sealed. Every `Service<Negotiation<Io>, Response = Authenticated<W, S>>` implements it, and nothing
/// else can: [`AuthLayer`](crate::AuthLayer), alone or under tower's middleware.
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
pub trait Negotiate<Io>: Sized {
    /// The client's stream behind the sub-negotiation.
    type Stream: ClientStream;
    /// The service that executes the client's request: a [`Dial`].
    type Service;
    /// The sub-negotiation.
    type Future: Future<Output = Result<Authenticated<Self::Stream, Self::Service>, BoxError>>;

    /// Authenticates the client. Readiness is asked here, after the client has spoken.
    fn negotiate(self, negotiation: Negotiation<Io>) -> Self::Future;
}

#[diagnostic::do_not_recommend]
impl<M, Io, W, S> Negotiate<Io> for M
where
    M: Service<Negotiation<Io>, Response = Authenticated<W, S>>,
    M::Error: Into<BoxError>,
    W: ClientStream,
{
    type Stream = W;
    type Service = S;
    type Future = MapErr<Oneshot<M, Negotiation<Io>>, fn(M::Error) -> BoxError>;

    fn negotiate(self, negotiation: Negotiation<Io>) -> Self::Future {
        self.oneshot(negotiation).map_err(Into::into)
    }
}

/// Authenticates clients by what they state with their request: the service inside the layers for protocols
/// without a sub-negotiation.
///
/// Sealed. Every `Service<Negotiation<Stated>, Response = Authenticated<(), S>>` implements it, and nothing else can:
/// [`AuthLayer`](crate::AuthLayer), alone or under tower's middleware.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not authenticate clients by what they state with their request",
    label = "`AuthLayer` is missing, or its method does not implement `AuthenticateStated`",
    note = "SOCKS4 and HTTP have no sub-negotiation: inside their layers stands `AuthLayer` with `NoAuth`, \
            `UserPass::new(users)`, a tuple of these, or a type of yours that implements \
            `AuthenticateStated`; tower's middleware may stand in between"
)]
pub trait Identify: Sized {
    /// The service that executes the client's request: a [`Dial`].
    type Service;
    /// The authentication.
    type Future: Future<Output = Result<Authenticated<(), Self::Service>, BoxError>>;

    /// Authenticates the client. Readiness is asked here, after the client has spoken.
    fn identify(self, negotiation: Negotiation<Stated>) -> Self::Future;
}

#[diagnostic::do_not_recommend]
impl<M, S> Identify for M
where
    M: Service<Negotiation<Stated>, Response = Authenticated<(), S>>,
    M::Error: Into<BoxError>,
{
    type Service = S;
    type Future = MapErr<Oneshot<M, Negotiation<Stated>>, fn(M::Error) -> BoxError>;

    fn identify(self, negotiation: Negotiation<Stated>) -> Self::Future {
        self.oneshot(negotiation).map_err(Into::into)
    }
}

/// Executes requests: the service inside [`AuthLayer`](crate::AuthLayer).
///
/// Sealed. Every `Service<Request>` whose response is a [`Tunnel`] implements it, and nothing else can.
#[diagnostic::on_unimplemented(
    message = "`AuthLayer` needs a service for requests inside it, but found `{Self}`",
    label = "this does not turn a `Request` into a `Tunnel`",
    note = "end the stack with `.service(Connector::direct())`; layers between `AuthLayer` and it \
            take a `Request`, and their response is a `Tunnel`",
    note = "a service of your own in this place is a `Service<Request>` whose `Response` implements \
            `Tunnel`",
    note = "where it says `Either<..>`, as of `option_layer`, both services must have one response: \
            box their tunnels with `.map_response(BoxTunnel::new)`, above the optional layer and \
            below it"
)]
pub trait Dial: Sized {
    /// The tunnel that a request leads to.
    type Tunnel: Tunnel;
    /// The dial.
    type Future: Future<Output = Result<Self::Tunnel, BoxError>>;

    /// Executes the request. Readiness is asked here, after the client has spoken.
    fn dial(self, request: Request) -> Self::Future;
}

#[diagnostic::do_not_recommend]
impl<S> Dial for S
where
    S: Service<Request>,
    S::Response: Tunnel,
    S::Error: Into<BoxError>,
{
    type Tunnel = S::Response;
    type Future = MapErr<Oneshot<S, Request>, fn(S::Error) -> BoxError>;

    fn dial(self, request: Request) -> Self::Future {
        self.oneshot(request).map_err(Into::into)
    }
}

/// Is a service that each connection gets a clone of.
///
/// Sealed. Everything that is `Clone` implements it, and nothing else can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Clone`, and each connection gets a clone of the services below \
               `HandshakeLayer`",
    label = "this service, or one inside it, is not `Clone`",
    note = "tower's `RateLimit` is not `Clone`: write `.buffer(1024)` above `.rate_limit(..)` \
            (tower's feature `buffer`)",
    note = "a service of your own derives `Clone` and shares what it counts in an `Arc`"
)]
pub trait CloneService: Clone {}

#[diagnostic::do_not_recommend]
impl<S: Clone> CloneService for S {}

/// Verifies credentials: the service inside [`UserPass`](crate::UserPass).
///
/// Sealed. Every `Service<Credentials, Response = Identity>` that is `Clone` implements it, and nothing
/// else can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not verify credentials",
    label = "not a `Service<Credentials, Response = Identity>`",
    note = "a verifier is a `Service<Credentials, Response = Identity>` that is `Clone`, such as \
            `Users` or `tower::service_fn(async |credentials: Credentials| ..)`; the `Credentials` \
            are `tower_socks::Credentials`",
    note = "it returns `Ok(Identity::named(credentials.name()))`, or `Err(AuthError::Denied)` for a \
            wrong name or password"
)]
pub trait Verify: Sized {
    /// The verification.
    type Future: Future<Output = Result<Identity, BoxError>>;

    /// Verifies the credentials with a clone of the service.
    fn verify(&self, credentials: Credentials) -> Self::Future;
}

#[diagnostic::do_not_recommend]
impl<V> Verify for V
where
    V: Service<Credentials, Response = Identity> + Clone,
    V::Error: Into<BoxError>,
{
    type Future = MapErr<Oneshot<V, Credentials>, fn(V::Error) -> BoxError>;

    fn verify(&self, credentials: Credentials) -> Self::Future {
        self.clone().oneshot(credentials).map_err(Into::into)
    }
}
