//! What the file states, checked.

use std::fmt;

use tower_socks::redis::RedisBuilder;

use super::while_away::{Each, Policy};

#[derive(Clone)]
pub(crate) struct Stated {
    pub(super) builder: RedisBuilder,
    /// All of it, with the address: by that a reload knows whether it is another one.
    pub(super) text: String,
    pub(super) prefix: String,
    pub(super) name: String,
    pub(super) page: Option<String>,
    pub(super) away: Each,
}

/// For `--check`.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Each {
            tunnels,
            requests,
            bandwidth,
            quotas,
        } = self.away;
        write!(
            f,
            "as {} of {}; while Redis is away: tunnels {tunnels}, requests {requests}, bandwidth {bandwidth}, quotas {quotas}",
            self.name, self.prefix
        )
    }
}

/// Without the address.
impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.builder.fmt(f)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}
