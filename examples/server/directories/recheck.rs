//! `recheck` of `[logins]`: users of directories who have tunnels open are looked for again from time to time.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt, future::BoxFuture, stream};
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};
use tower_socks::{BoxError, layer::track::OpenTunnels};

use super::{ByDirectory, Directories, Directory};
use crate::{accounts::Accounts, settings::Fixed, shared::Shared};

/// Questions at once: logins go first.
const AT_ONCE: usize = 4;

/// Looks for users again, each time that `recheck` is over, and once a reload has other directories, or asks them in another
/// manner. Tunnels of those who are gone are closed.
pub(crate) async fn recheck(shared: Shared) {
    let (accounts, mut in_force) = (shared.accounts(), shared.in_force());
    loop {
        until_due(&accounts, &mut in_force).await;
        let directories = accounts.borrow().directories().clone();
        let gone = directories.find_gone(&shared.open).await;
        if !accounts.borrow().directories().is_same_as(&directories) {
            // Whom they no longer know, the others may.
            continue;
        }
        for (directory, name) in &gone {
            forget(&shared, &directories, name.as_bytes());
            tracing::info!(
                user = name.escape_debug().to_string(),
                "{directory} no longer knows a user, whose tunnels are closed"
            );
        }
        if !gone.is_empty() {
            shared.policy().recheck();
        }
    }
}

/// Forgets who was verified by accounts of Redis that are others now, or gone: their tunnels are closed.
pub(crate) async fn follow_accounts(shared: Shared) {
    loop {
        let names = shared.fleet.changed_accounts().await;
        let accounts = shared.accounts();
        let directories = accounts.borrow().directories().clone();
        for name in &names {
            forget(&shared, &directories, name);
        }
        tracing::info!(
            users = names.len(),
            "accounts of redis have changed: tunnels of these users are closed"
        );
        shared.policy().recheck();
    }
}

/// Forgets who was verified by that name until now. Their tunnels are closed once the policy is asked again.
fn forget(shared: &Shared, directories: &Directories, name: &[u8]) {
    directories.gone.insert(name);
    shared.remembered.forget(name);
}

/// Waits until users are to be looked for again.
async fn until_due(accounts: &Receiver<Accounts>, in_force: &mut Receiver<Arc<Fixed>>) {
    let began = Instant::now();
    let asked = accounts.borrow().directories().clone();
    loop {
        let interval = in_force.borrow_and_update().logins.recheck.0;
        // Accounts are in force before the rest of a file is.
        if !accounts.borrow().directories().is_same_as(&asked) {
            return;
        }
        tokio::select! {
            () = sleep_until(began + interval) => return,
            Ok(()) = in_force.changed() => {}
        }
    }
}

impl Directories {
    /// Those who have tunnels open, and whom their directory knows no longer. Who cannot be looked for stays.
    async fn find_gone(&self, open: &OpenTunnels) -> Vec<(&'static str, String)> {
        let mut users = BTreeSet::new();
        for tunnel in open.list() {
            let identity = &tunnel.identity;
            let by: Option<&ByDirectory> = identity.extensions().get();
            let name = identity.name().and_then(|name| str::from_utf8(name).ok());
            if let (Some(by), Some(name)) = (by, name) {
                users.insert((by.directory, name.to_owned()));
            }
        }
        let mut questions: Vec<BoxFuture<'static, _>> = Vec::new();
        for (directory, name) in users {
            let asked = self.all.iter().find(|one| one.name == directory);
            if let Some(asked) = asked.cloned() {
                questions.push(Box::pin(async move { asked.is_gone(name).await }));
            }
        }
        let answers = stream::iter(questions).buffer_unordered(AT_ONCE);
        let mut gone = Vec::new();
        let mut answers = std::pin::pin!(answers);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(found) => gone.extend(found),
                // It is away, which the log says once: the rest would wait for the same.
                Err(error) => {
                    tracing::debug!("users were not looked for again: {error}");
                    break;
                }
            }
        }
        gone
    }
}

impl Directory {
    async fn is_gone(&self, name: String) -> Result<Option<(&'static str, String)>, BoxError> {
        let Some(knows) = &self.knows else {
            return Ok(None);
        };
        Ok(match knows(name.clone()).await? {
            Some(false) => Some((self.name, name)),
            Some(true) | None => None,
        })
    }
}
