//! Users of Redis: a directory that all servers read.

use std::{
    mem::take,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tower::{Layer, ServiceExt};
use tower_socks::{
    BoxError, Credentials, Identity,
    layer::auth::BlockingVerifier,
    redis::{Redis, users::RedisAccountsLayer},
};

use crate::directories::{Directory, Verifier};

/// For how long a login waits until the settings that it came by are in force. They are in a moment.
const PATIENCE: Duration = Duration::from_secs(2);

/// The users, once the settings that state them are in force. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct FleetUsers(watch::Sender<Option<RedisAccountsLayer>>);

impl FleetUsers {
    /// The directory, by all that is stated of it.
    pub(super) fn directory(&self, stated: String) -> Directory {
        let users = self.clone();
        Directory::new("redis", Verifier::Fleet(self.clone()), stated).knows(Arc::new(
            move |name| {
                let users = users.clone();
                Box::pin(async move { Ok(Some(users.layer().await?.knows(name)?)) })
            },
        ))
    }

    /// Puts them in force.
    pub(super) fn set(&self, users: Option<RedisAccountsLayer>) {
        self.0.send_replace(users);
    }

    /// Has them again where the same is stated once more.
    pub(super) fn set_like(&self, other: &Self) {
        self.set(other.0.borrow().clone());
    }

    /// Verifies a login. Hashes are computed by `hashing`.
    ///
    /// # Errors
    ///
    /// As those of all directories.
    pub(crate) async fn verify(
        &self,
        credentials: Credentials,
        hashing: &BlockingVerifier,
    ) -> Result<Identity, BoxError> {
        let users = self.layer().await?;
        users.layer(hashing.clone()).oneshot(credentials).await
    }

    async fn layer(&self) -> Result<RedisAccountsLayer, BoxError> {
        let mut place = self.0.subscribe();
        let in_force = async {
            let users = place.wait_for(Option::is_some).await.ok()?;
            users.clone()
        };
        let users = timeout(PATIENCE, in_force).await.ok().flatten();
        let users = users.ok_or("users of Redis are not in force")?;
        if users.age().is_none() {
            users.loaded().await?;
        }
        Ok(users)
    }
}

/// Names whose accounts have changed, for those who close their tunnels. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Changed(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    names: Mutex<Vec<Box<[u8]>>>,
    told: Notify,
}

impl Waiting {
    fn names(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changed {
    /// Follows the accounts of a fleet.
    pub(super) fn follow(&self, redis: &Redis) -> RedisAccountsLayer {
        let changed = self.clone();
        RedisAccountsLayer::builder(redis)
            .on_change(move |names| {
                changed.0.names().extend_from_slice(names);
                changed.0.told.notify_one();
            })
            .build()
    }

    /// Waits until there are some, and takes them.
    ///
    /// # Cancel safety
    ///
    /// None is lost.
    pub(crate) async fn next(&self) -> Vec<Box<[u8]>> {
        loop {
            let names = take(&mut *self.0.names());
            if !names.is_empty() {
                return names;
            }
            self.0.told.notified().await;
        }
    }
}
