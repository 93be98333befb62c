use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{ResponseFuture, following::Followed};
use crate::{
    error::{AuthError, BoxError},
    layer::auth::StoredHash,
    session::{Credentials, Identity},
};

/// The service of a [`RedisAccountsLayer`](super::RedisAccountsLayer).
#[derive(Clone)]
pub struct RedisAccounts<V> {
    verifier: V,
    followed: Arc<Followed>,
}

impl<V> RedisAccounts<V> {
    pub(super) const fn new(verifier: V, followed: Arc<Followed>) -> Self {
        Self { verifier, followed }
    }

    /// Returns the verifier of hashes.
    pub const fn get_ref(&self) -> &V {
        &self.verifier
    }

    /// Returns it, to change it.
    pub const fn get_mut(&mut self) -> &mut V {
        &mut self.verifier
    }

    /// Returns it alone.
    pub fn into_inner(self) -> V {
        self.verifier
    }
}

impl<V> Service<Credentials> for RedisAccounts<V>
where
    V: Service<Credentials, Response = Identity, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = Identity;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.verifier.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, credentials: Credentials) -> ResponseFuture {
        let clone = self.verifier.clone();
        let mut verifier = mem::replace(&mut self.verifier, clone);
        let followed = Arc::clone(&self.followed);
        ResponseFuture::new(async move {
            let away = |error| BoxError::from(AuthError::Verifier(BoxError::from(error)));
            let name: Box<[u8]> = credentials.name().into();
            let accounts = followed.snapshot().map_err(away)?;
            let account = accounts.get(&name);
            let hash = account.and_then(|account| account.hash.as_deref());
            let is_known = account.is_some();
            let verified = StoredHash::verify(hash, is_known, credentials, &mut verifier).await?;
            // It may have waited for its turn, and the account may be another one by now.
            let accounts = followed.snapshot().map_err(away)?;
            match accounts.get(&name) {
                Some(now)
                    if !now.is_disabled && now.hash.is_some() && now.hash.as_deref() == hash =>
                {
                    Ok(now.identity(&name, &verified))
                }
                _ => Err(AuthError::Denied.into()),
            }
        })
    }
}

/// Without what verifies, and what is known.
impl<V> fmt::Debug for RedisAccounts<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAccounts").finish_non_exhaustive()
    }
}
