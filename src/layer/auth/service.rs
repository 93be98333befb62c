use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::AsyncWriteExt;
use tower_service::Service;

use super::{Authenticate, ResponseFuture};
use crate::{
    error::{AuthError, BoxError},
    io::{ClientStream, lingering_close},
    proto::{Method, Selection},
    session::{Authenticated, Negotiation},
};

/// Selects a method and authenticates the client with it. See the [module](super).
pub struct Auth<A, S> {
    authenticate: Arc<A>,
    inner: S,
}

impl<A, S> Auth<A, S> {
    pub(super) const fn new(authenticate: Arc<A>, inner: S) -> Self {
        Self {
            authenticate,
            inner,
        }
    }
}

impl<A, S, Io> Service<Negotiation<Io>> for Auth<A, S>
where
    A: Authenticate<Io> + 'static,
    S: Clone + Send + 'static,
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
        let service = self.inner.clone();
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

impl<A, S: Clone> Clone for Auth<A, S> {
    fn clone(&self) -> Self {
        Self {
            authenticate: Arc::clone(&self.authenticate),
            inner: self.inner.clone(),
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
