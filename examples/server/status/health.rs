//! Whether clients should be sent here.

use tokio::sync::watch;

use crate::{
    descriptors::Descriptors, log::Condition, names::Names, signals::Phase, upstream::Standings,
};

/// What `/ready` looks at.
#[derive(Debug)]
pub(crate) struct Health {
    phase: watch::Receiver<Phase>,
    log: Condition,
    /// `None` where an upstream resolves them.
    names: Option<Names>,
    upstreams: Standings,
    descriptors: Descriptors,
}

impl Health {
    pub(crate) fn new(
        phase: watch::Receiver<Phase>,
        log: Condition,
        names: Option<Names>,
        upstreams: Standings,
    ) -> Self {
        Self {
            phase,
            log,
            names,
            upstreams,
            descriptors: Descriptors::default(),
        }
    }

    /// Returns what is known of upstreams.
    pub(super) const fn upstreams(&self) -> &Standings {
        &self.upstreams
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
        let names = self.names.as_ref().is_some_and(Names::are_stuck);
        let names = names.then_some("no name can be resolved");
        let upstreams = self.upstreams.are_down();
        let upstreams = upstreams.then_some("no upstream of `upstream` answers its probes");
        let problems = [phase, descriptors, self.log.problem(), names, upstreams];
        problems.into_iter().flatten().collect()
    }
}
