use std::sync::Arc;

use tower_layer::Layer;

use super::Acl;
use crate::session::Policy;

/// Puts requests under a policy. See the [module](super).
#[derive(Debug)]
pub struct AclLayer<P> {
    policy: Arc<P>,
}

impl<P: Policy> AclLayer<P> {
    /// A layer over a [`Policy`]; a closure with two parameters is one.
    pub fn new(policy: P) -> Self {
        Self {
            policy: Arc::new(policy),
        }
    }
}

impl<P> Clone for AclLayer<P> {
    fn clone(&self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
        }
    }
}

impl<P: Policy, S> Layer<S> for AclLayer<P> {
    type Service = Acl<S>;

    fn layer(&self, inner: S) -> Acl<S> {
        Acl::new(Arc::clone(&self.policy) as _, inner)
    }
}
