//! Lookups that clients share without hurting each other.

use super::{
    health::Health,
    known::{Asked, Found, Known, Question},
    special,
    turns::{Key, Turns},
};
use crate::error::{BoxError, LookupError, LookupErrorKind};

/// Times that a lookup is begun anew after another one that it waited for was given up.
const TRIES: usize = 4;

/// Starts lookups, which end by themselves.
pub(in crate::connector) trait Ask<Q: Question>:
    Clone + Send + Sync + 'static
{
    /// Starts a lookup.
    fn ask(&self, asked: Asked<Q>);
}

/// Looks names up by `A`: one lookup for each name or address at a time, in [turns](Turns). Clones share them.
pub(in crate::connector) struct SharedLookups<A, Q: Question> {
    pub(super) by: A,
    pub(super) turns: Turns,
    known: Known<Q>,
}

impl<A: Ask<Q>, Q: Question> SharedLookups<A, Q> {
    pub(in crate::connector) fn new(by: A, most: usize) -> Self {
        Self::in_turns(by, Turns::new(most), Some(Health::default()))
    }

    /// Creates those for the names of addresses, which share their turns with the lookups of names. Whether name
    /// servers work is not told by them: of many networks no server knows the names.
    pub(in crate::connector) fn beside<B, R: Question>(by: A, other: &SharedLookups<B, R>) -> Self {
        Self::in_turns(by, other.turns.clone(), None)
    }

    fn in_turns(by: A, turns: Turns, health: Option<Health>) -> Self {
        Self {
            by,
            turns,
            known: Known::new(health),
        }
    }

    /// Looks up a name or an address for a client, or waits for the lookup that runs.
    pub(in crate::connector) async fn resolve(
        self,
        question: Q,
        client: Key,
    ) -> Result<Vec<Q::Found>, BoxError> {
        special::refuse(&question.name())?;
        let mut found = self.known.find(&question);
        for _ in 0..TRIES {
            let waiting = match found {
                Found::Failed(error) => return Err(error.into()),
                Found::Running(waiting) => waiting,
                Found::Nothing => {
                    let turn = self.turns.take(client.clone()).await?;
                    match self.known.start(&question, turn) {
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
                Some(Ok(found)) => return Ok(found.to_vec()),
                Some(Err(error)) => return Err(error.into()),
                None => found = self.known.find(&question),
            }
        }
        Err(LookupError::new(question.name(), LookupErrorKind::System, None).into())
    }
}

impl<A: Clone, Q: Question> Clone for SharedLookups<A, Q> {
    fn clone(&self) -> Self {
        Self {
            by: self.by.clone(),
            turns: self.turns.clone(),
            known: self.known.clone(),
        }
    }
}
