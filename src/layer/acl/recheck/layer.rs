use tower_layer::Layer;

use super::{Recheck, Swap};

/// Asks a policy again about open tunnels. See the [module](super).
#[derive(Debug)]
pub struct RecheckLayer<P> {
    policy: Swap<P>,
}

impl<P> RecheckLayer<P> {
    /// A layer that listens to [`Swap::recheck`].
    pub const fn new(policy: Swap<P>) -> Self {
        Self { policy }
    }
}

impl<P> Clone for RecheckLayer<P> {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy.clone(),
        }
    }
}

impl<P, S> Layer<S> for RecheckLayer<P> {
    type Service = Recheck<S, P>;

    fn layer(&self, inner: S) -> Recheck<S, P> {
        Recheck::new(self.policy.clone(), inner)
    }
}
