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
    /// By which names are hashed, if failed logins are shared.
    pub(super) login_secret: Option<String>,
}

/// For `--check`.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Each {
            tunnels,
            requests,
            bandwidth,
            quotas,
            logins,
        } = self.away;
        write!(
            f,
            "as {} of {}; while Redis is away: tunnels {tunnels}, requests {requests}, bandwidth {bandwidth}, quotas {quotas}, ",
            self.name, self.prefix
        )?;
        match self.login_secret {
            Some(_) => write!(f, "logins {logins}"),
            None => f.write_str("and failed logins are counted here alone"),
        }
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
