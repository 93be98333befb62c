//! Whether clients should be sent here.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{descriptors::Descriptors, log::Condition, shared::Shared, signals::Phase};

/// What `/ready` looks at.
#[derive(Clone)]
pub(crate) struct Health {
    phase: watch::Receiver<Phase>,
    log: Condition,
    shared: Shared,
    descriptors: Arc<Descriptors>,
}

impl Health {
    pub(crate) fn new(phase: watch::Receiver<Phase>, log: Condition, shared: &Shared) -> Self {
        Self {
            phase,
            log,
            shared: shared.clone(),
            descriptors: Arc::default(),
        }
    }

    /// Returns what speaks against sending clients here.
    pub(super) fn problems(&self) -> Vec<&'static str> {
        let phase = match *self.phase.borrow() {
            Phase::Served => None,
            Phase::Leaving | Phase::Drained | Phase::Dropped => Some("the server is stopping"),
        };
        let descriptors = self
            .descriptors
            .are_nearly_gone()
            .then_some("descriptors are nearly gone: raise their limit, or take fewer sessions");
        // An upstream resolves them otherwise.
        let resolves = self.shared.in_force().borrow().upstream.rest_is_direct();
        let names = resolves && self.shared.names.are_stuck();
        let names = names.then_some("no name can be resolved");
        let upstreams = self.shared.upstreams.are_down();
        let upstreams = upstreams.then_some("no upstream of `upstream` answers its probes");
        let problems = [phase, descriptors, self.log.problem(), names, upstreams];
        problems.into_iter().flatten().collect()
    }
}
