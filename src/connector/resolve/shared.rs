//! Lookups that clients share without hurting each other.

use std::net::IpAddr;

use super::{
    Lookup,
    known::{Asked, Found, Known},
    special,
    turns::Turns,
};
use crate::error::{BoxError, LookupError, LookupErrorKind};

/// Times that a lookup is begun anew after another one that it waited for was given up.
const TRIES: usize = 4;

/// Starts lookups, which end by themselves.
pub(super) trait Ask: Clone + Send + Sync + 'static {
    /// Starts a lookup.
    fn ask(&self, asked: Asked);
}

/// Looks names up by `A`: one lookup for each name at a time, in [turns](Turns). Clones share them.
#[derive(Clone)]
pub(super) struct SharedLookups<A> {
    pub(super) by: A,
    pub(super) turns: Turns,
    known: Known,
}

impl<A: Ask> SharedLookups<A> {
    pub(super) fn new(by: A, most: usize) -> Self {
        Self {
            by,
            turns: Turns::new(most),
            known: Known::default(),
        }
    }

    /// Looks up a name, or waits for the lookup that runs.
    pub(super) async fn resolve(self, lookup: Lookup) -> Result<Vec<IpAddr>, BoxError> {
        let Lookup { name, client } = lookup;
        special::refuse(&name)?;
        let mut found = self.known.find(&name);
        for _ in 0..TRIES {
            let waiting = match found {
                Found::Failed(error) => return Err(error.into()),
                Found::Running(waiting) => waiting,
                Found::Nothing => {
                    let turn = self.turns.take(client.clone()).await?;
                    match self.known.start(&name, turn) {
                        Ok((asked, waiting)) => {
                            self.by.ask(asked);
                            waiting
                        }
                        Err(known) => {
                            found = known;
                            continue;
                        }
                    }
                }
            };
            match waiting.outcome().await {
                Some(Ok(addresses)) => return Ok(addresses.to_vec()),
                Some(Err(error)) => return Err(error.into()),
                None => found = self.known.find(&name),
            }
        }
        Err(LookupError::new(name, LookupErrorKind::System, None).into())
    }
}
