use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::AsyncWriteExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{Authenticate, AuthenticateStated, ResponseFuture};
use crate::{
    error::{AuthError, BoxError},
    io::{ClientStream, lingering_close},
    proto::{Method, Selection},
    session::{Authenticated, Negotiation, Stated},
};

/// Authenticates clients before a service gets their requests. See the [module](super).
#[derive(Debug)]
pub struct AuthLayer<A> {
    authenticate: Arc<A>,
}

impl<A> AuthLayer<A> {
    /// Creates a layer that authenticates with `authenticate`.
    pub fn new(authenticate: A) -> Self {
        Self {
            authenticate: Arc::new(authenticate),
        }
    }
}

impl<A> Clone for AuthLayer<A> {
    fn clone(&self) -> Self {
        Self {
            authenticate: Arc::clone(&self.authenticate),
        }
    }
}

// `Clone` is asked for here and not at the service: so the compiler names the service that is not,
// instead of an `Auth` that does not authenticate.
impl<A, S: Clone> Layer<S> for AuthLayer<A> {
    type Service = Auth<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth {
            authenticate: Arc::clone(&self.authenticate),
            inner,
            clone: S::clone,
        }
    }
}

/// Selects a method and authenticates the client with it. See the [module](super).
pub struct Auth<A, S> {
    authenticate: Arc<A>,
    inner: S,
    clone: fn(&S) -> S,
}

impl<A, S, Io> Service<Negotiation<Io>> for Auth<A, S>
where
    A: Authenticate<Io> + 'static,
    S: Send + 'static,
    Io: ClientStream,
{
    type Response = Authenticated<A::Stream, S>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // Nothing inside is called here, so there is nothing to wait for.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut negotiation: Negotiation<Io>) -> Self::Future {
        let authenticate = Arc::clone(&self.authenticate);
        let service = (self.clone)(&self.inner);
        ResponseFuture::new(async move {
            let offered = |method: &Method| negotiation.offered.contains(*method);
            let selected = authenticate
                .select(&negotiation)
                .filter(|method| *method != Method::NO_ACCEPTABLE && offered(method));
            let selection = Selection {
                method: selected.unwrap_or(Method::NO_ACCEPTABLE),
            };
            negotiation.io.write_all(&selection.encode()).await?;
            negotiation.io.flush().await?;
            let Some(method) = selected else {
                lingering_close(negotiation.io).await;
                return Err(AuthError::NoAcceptableMethod.into());
            };
            let (io, identity) = authenticate.authenticate(method, negotiation).await?;
            Ok(Authenticated {
                io,
                identity,
                service,
            })
        })
    }
}

/// The protocol has no sub-negotiation: nothing is read or written.
impl<A, S> Service<Negotiation<Stated>> for Auth<A, S>
where
    A: AuthenticateStated + 'static,
    S: Send + 'static,
{
    type Response = Authenticated<(), S>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, negotiation: Negotiation<Stated>) -> Self::Future {
        let authenticate = Arc::clone(&self.authenticate);
        let service = (self.clone)(&self.inner);
        ResponseFuture::new(async move {
            let identity = authenticate.authenticate_stated(&negotiation).await?;
            Ok(Authenticated {
                io: (),
                identity,
                service,
            })
        })
    }
}

impl<A, S> Clone for Auth<A, S> {
    fn clone(&self) -> Self {
        Self {
            authenticate: Arc::clone(&self.authenticate),
            inner: (self.clone)(&self.inner),
            clone: self.clone,
        }
    }
}

impl<A, S: fmt::Debug> fmt::Debug for Auth<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What verifies may hold secrets.
        f.debug_struct("Auth")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
