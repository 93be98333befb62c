use std::sync::Arc;

use tower_layer::Layer;

use super::Auth;

/// Authenticates clients before a service sees their requests. See the [module](super).
#[derive(Debug)]
pub struct AuthLayer<A> {
    authenticate: Arc<A>,
}

impl<A> AuthLayer<A> {
    /// A layer over an [`Authenticate`](super::Authenticate).
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

impl<A, S> Layer<S> for AuthLayer<A> {
    type Service = Auth<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth::new(Arc::clone(&self.authenticate), inner)
    }
}
