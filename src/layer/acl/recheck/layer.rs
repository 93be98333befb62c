use tower_layer::Layer;

use super::{Recheck, SwapPolicy};

/// Asks a policy again about open tunnels. See the [module](super).
#[derive(Debug)]
pub struct RecheckLayer<P> {
    policy: SwapPolicy<P>,
}

impl<P> RecheckLayer<P> {
    /// A layer that listens to [`SwapPolicy::recheck`].
    pub const fn new(policy: SwapPolicy<P>) -> Self {
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
