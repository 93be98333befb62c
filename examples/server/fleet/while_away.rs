//! What each limit does while Redis is away.

use serde::Deserialize;
use tower_socks::redis;

/// `while_away`: one for all, or a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "this has to be \"local\", \"open\" or \"closed\", or a table of these by limit"
)]
pub(super) enum WhileAway {
    All(Policy),
    Each(Each),
}

/// By limit. What is left out is `local`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Each {
    pub(super) tunnels: Policy,
    pub(super) requests: Policy,
    pub(super) bandwidth: Policy,
    pub(super) quotas: Policy,
    pub(super) logins: Policy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Policy {
    #[default]
    Local,
    Open,
    Closed,
}

impl Default for WhileAway {
    fn default() -> Self {
        Self::All(Policy::Local)
    }
}

impl WhileAway {
    pub(super) const fn each(&self) -> Each {
        match self {
            Self::All(all) => Each {
                tunnels: *all,
                requests: *all,
                bandwidth: *all,
                quotas: *all,
                logins: *all,
            },
            Self::Each(each) => *each,
        }
    }
}

impl From<Policy> for redis::WhileAway {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Local => Self::Local,
            Policy::Open => Self::Open,
            Policy::Closed => Self::Closed,
        }
    }
}
