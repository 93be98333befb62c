//! What the file states, checked.

use std::fmt;

use tower_socks::redis::RedisBuilder;

use super::{
    users::FleetUsers,
    while_away::{Each, Policy},
};
use crate::{directories::Directory, limits::Limits};

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
    /// If its accounts are users of this server.
    pub(super) users: Option<FleetUsers>,
}

impl Stated {
    /// All by which a reload knows whether it is another one.
    pub(super) fn all(&self, limits: &Limits) -> String {
        format!("{}{:?}", self.text, limits.periods())
    }

    /// Makes the directory of its users, if they are stated.
    pub(crate) fn directory(&self, limits: &Limits) -> Option<Directory> {
        let users = self.users.as_ref()?;
        Some(users.directory(self.all(limits)))
    }
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
