//! The place of a live session.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::shared::Shared;
use crate::{
    admission::{Count, LimitEvents, client_network},
    error::Refusal,
    session::{Identity, User},
};

/// Counts as a live session until it is dropped.
pub(crate) struct SessionPlace(Arc<SessionHolder>);

/// Tells the place of a session who its user is: rides in the extensions of its connection.
pub(crate) struct SessionHolder {
    limit: Arc<Shared>,
    holds: Mutex<Option<Holds>>,
}

/// What a session counts for while it is live.
struct Holds {
    client: Option<Count<IpAddr>>,
    user: Option<Count<User>>,
}

impl SessionPlace {
    pub(super) fn new(limit: Arc<Shared>, client: Option<Count<IpAddr>>) -> Self {
        Self(Arc::new(SessionHolder {
            limit,
            holds: Mutex::new(Some(Holds { client, user: None })),
        }))
    }

    /// Returns what the extensions of the connection take along. It does not keep the place.
    pub(crate) fn holder(&self) -> Arc<SessionHolder> {
        Arc::clone(&self.0)
    }
}

impl SessionHolder {
    /// Counts the session for its user from here on, once. Where another user goes on with a connection, it counts for
    /// that one, and for nobody else.
    ///
    /// # Errors
    ///
    /// If the user has as many sessions as a user may have.
    pub(crate) fn authenticated(&self, identity: &Identity) -> Result<(), Refusal> {
        let Some(name) = identity.name() else {
            return Ok(());
        };
        let Shared { numbers, places } = &*self.limit;
        let per_user = numbers.of_user(identity);
        let user = User::named(name);
        let mut holds = self.holds();
        let Some(holds) = holds.as_mut() else {
            return Ok(()); // the session is over
        };
        if holds
            .user
            .as_ref()
            .is_some_and(|count| *count.key() == user)
        {
            return Ok(());
        }
        let count = places.users.enter_below(user.clone(), per_user);
        let entered = count.is_some();
        leave(
            std::mem::replace(&mut holds.user, count),
            &places.users_at_limit,
        );
        if entered {
            return Ok(());
        }
        places.users_at_limit.reached(&user);
        let reason = format!("{user:?} has {per_user} sessions already");
        Err(Refusal::not_allowed(reason).with_rule("limit sessions"))
    }

    /// Counts the session for another client than that of before: the one that it turned out to be. `false`
    /// if that one has its share.
    pub(crate) fn recount(&self, client: IpAddr) -> bool {
        let Shared { numbers, places } = &*self.limit;
        let mut holds = self.holds();
        let Some(holds) = holds.as_mut() else {
            return true; // the session is over
        };
        if holds.client.as_ref().map(|count| *count.key()) == client_network(client) {
            return true;
        }
        let Some(other) = places.count_client(client, numbers.per_client()) else {
            return false;
        };
        let before = std::mem::replace(&mut holds.client, other);
        leave(before, &places.clients_at_limit);
        true
    }

    fn holds(&self) -> MutexGuard<'_, Option<Holds>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        let Some(Holds { client, user }) = self.0.holds().take() else {
            return;
        };
        let places = &self.0.limit.places;
        leave(client, &places.clients_at_limit);
        leave(user, &places.users_at_limit);
        places.leave();
    }
}

/// Counts no longer for a key, and notes that the key has room again.
fn leave<K>(count: Option<Count<K>>, events: &LimitEvents<K>)
where
    K: std::hash::Hash + Eq + Clone + std::fmt::Debug,
{
    if let Some(count) = count {
        let key = count.key().clone();
        drop(count);
        events.left(&key);
    }
}
