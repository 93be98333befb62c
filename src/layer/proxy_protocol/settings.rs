use std::{fmt, time::Duration};

use super::{lines::Lines, waiting::Waiting};
use crate::session::Senders;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) senders: Senders,
    pub(super) untrusted: Untrusted,
    pub(super) deadline: Duration,
    pub(super) longest: usize,
    pub(super) destination_as_local: bool,
    pub(super) waiting: usize,
}

/// What becomes of connections from networks that are not trusted. No header is looked for in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untrusted {
    /// They are closed at once: clients are to come by the load balancer.
    #[default]
    Refuse,
    /// They are served as what they are, with the address that they come from.
    Plain,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("trusted", &self.senders.networks())
            .field("unix_sockets", &self.senders.unix)
            .field("untrusted", &self.untrusted)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What clones of the service share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) lines: Lines,
    pub(super) waiting: Waiting,
}
