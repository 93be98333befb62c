//! Whether name servers answer at all.

use std::time::Duration;

use tokio::time::Instant;

use super::turns::Key;
use crate::{error::LookupErrorKind, proto::DomainName};

/// Names in a row without an answer after which the name servers themselves are at fault: of several
/// clients, or of one. Anybody can have a domain whose servers are silent.
const SEVERAL: usize = 3;
const ONE: usize = 8;

/// For how long after an answer name servers are not taken for dead: a client that asks for its own silent names
/// must not be able to say so while they work for others.
const ALIVE: Duration = Duration::from_secs(10);

/// Watches the answers of name servers.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The last names without an answer since there was one, at most [`ONE`], and for whom.
    unanswered: Vec<(Key, DomainName)>,
    last_answer: Option<Instant>,
    down: bool,
}

impl Health {
    /// Notes that a name server has answered.
    pub(super) fn answered(&mut self) {
        self.unanswered.clear();
        self.last_answer = Some(Instant::now());
        if std::mem::take(&mut self.down) {
            tracing::info!("name servers answer again");
        }
    }

    /// Notes that none has an answer for a name, and returns the kind of that error.
    pub(super) fn unanswered(&mut self, key: &Key, name: &DomainName) -> LookupErrorKind {
        if self.unanswered.len() < ONE && self.unanswered.iter().all(|(_, known)| known != name) {
            self.unanswered.push((key.clone(), name.clone()));
        }
        let several = self.unanswered.iter().any(|(client, _)| client != key);
        let is_alive = self
            .last_answer
            .is_some_and(|answer| answer.elapsed() < ALIVE);
        let is_down = !is_alive && self.unanswered.len() >= if several { SEVERAL } else { ONE };
        if is_down && !self.down {
            self.down = true;
            tracing::warn!("no name server answers: names cannot be resolved");
        }
        if self.down {
            LookupErrorKind::NameServers
        } else {
            LookupErrorKind::NoAnswer
        }
    }
}
