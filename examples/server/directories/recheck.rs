//! `recheck` of `[logins]`: users of directories who have tunnels open are looked for again from time to time.

use std::collections::BTreeSet;

use futures_util::{StreamExt, future::BoxFuture, stream};
use tower_socks::{BoxError, layer::track::OpenTunnels};

use super::{ByDirectory, Directories, Directory};
use crate::shared::Shared;

/// Questions at once: logins go first.
const AT_ONCE: usize = 4;

/// Looks for users again, each time that `recheck` is over. Tunnels of those who are gone are closed.
pub(crate) async fn recheck(shared: Shared) {
    loop {
        let interval = shared.in_force().borrow().logins.recheck.0;
        tokio::time::sleep(interval).await;
        let directories = shared.accounts().borrow().directories().clone();
        let gone = directories.find_gone(&shared.open).await;
        for (directory, name) in &gone {
            directories.gone.insert(name.as_bytes());
            shared.remembered.forget(name);
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
