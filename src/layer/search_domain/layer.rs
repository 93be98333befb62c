use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::BoxError,
    proto::DomainName,
    session::{AllowedOrRefused, Request, SearchDomain},
};

/// Completes names of a single label. See the [module](super).
#[derive(Clone, Debug)]
pub struct SearchDomainLayer {
    domain: SearchDomain,
}

impl SearchDomainLayer {
    /// Creates a layer for names in this domain.
    #[must_use]
    pub const fn new(domain: DomainName) -> Self {
        Self {
            domain: SearchDomain::new(domain),
        }
    }
}

impl<S> Layer<S> for SearchDomainLayer {
    type Service = Search<S>;

    fn layer(&self, inner: S) -> Search<S> {
        Search {
            domain: self.domain.clone(),
            inner,
        }
    }
}

/// Completes names of a single label: the service of [`SearchDomainLayer`].
#[derive(Clone, Debug)]
pub struct Search<S> {
    domain: SearchDomain,
    inner: S,
}

impl<S> Search<S> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> Service<Request> for Search<S>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AllowedOrRefused<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match request.in_domain(self.domain.clone()) {
            Ok(request) => AllowedOrRefused::called(self.inner.call(request)),
            Err(refusal) => AllowedOrRefused::refused(refusal),
        }
    }
}
