use crate::{error::Refusal, proto::ReplyCode};

/// What a limit does while its store cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhileAway {
    /// Goes on by what was last known, and counts what this process does itself. Of what was left of a key's limit then, this
    /// process has its part, rounded up: a third, if three nodes were last counted. Of a key that nothing is known of, all
    /// was left. So all nodes together exceed a limit by less than one of each.
    #[default]
    Local,
    /// Admits. What this process counts by itself as well, as [`ConcurrentTunnels`](crate::layer::limit::ConcurrentTunnels)
    /// does, holds for it alone.
    Open,
    /// Refuses, with 01.
    Closed,
}

impl WhileAway {
    /// Returns what a limit that is closed says.
    pub(super) fn refusal(limit: &'static str) -> Refusal {
        Refusal::new(
            ReplyCode::GENERAL_FAILURE,
            "the limit cannot be told, since its store is away",
        )
        .with_rule(limit)
    }
}
