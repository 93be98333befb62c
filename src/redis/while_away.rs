use crate::{error::Refusal, proto::ReplyCode};

/// What a limit does while its store cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhileAway {
    /// Goes on by what was last known of the others, and counts what this process does itself. Where nothing is known of a
    /// key, this process has its part of the limit: a third of it, if three nodes were last counted.
    #[default]
    Local,
    /// Limits nothing.
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
