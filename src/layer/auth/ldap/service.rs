use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    super::gate::Gate,
    ResponseFuture,
    dn::Dn,
    filter::Filter,
    servers::Servers,
    settings::{Settings, Users},
};
use crate::{
    error::BoxError,
    session::{Credentials, Identity},
};

/// Verifies names and passwords by a directory of LDAP. See the [module](super).
///
/// Clones share connections and places.
#[derive(Clone)]
pub struct Ldap {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) servers: Servers,
    pub(super) gate: Arc<Gate>,
    pub(super) user_filter: Filter,
    pub(super) group_filter: Option<Filter>,
    pub(super) groups_below: Option<Dn>,
    pub(super) settings: Settings,
}

impl Ldap {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Returns how many logins wait for their turn, and how many may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        self.inner.gate.waiting()
    }

    /// Returns the servers to which passwords go in clear text, other than those of this machine: anybody on the path
    /// can read them.
    pub fn clear_text(&self) -> impl Iterator<Item = String> {
        let all = self.inner.servers.all.iter();
        let exposed = all.filter(|server| server.url.is_exposed());
        exposed.map(|server| server.url.to_string())
    }

    /// Tells whether a name that was verified still has an entry, as a search finds it, without a password: `None` where
    /// nobody may look, since users are found by their DN and there is no service account.
    ///
    /// # Errors
    ///
    /// [`AuthError::Verifier`](crate::error::AuthError::Verifier) where no server can tell.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection that it has asked by.
    pub async fn knows(&self, name: &str) -> Result<Option<bool>, BoxError> {
        let is_searched = matches!(self.inner.settings.users, Users::Searched(..));
        if !is_searched && self.inner.settings.account.is_none() {
            return Ok(None);
        }
        self.inner.knows(name).await.map(Some)
    }
}

impl Service<Credentials> for Ldap {
    type Response = Identity;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> ResponseFuture {
        let inner = Arc::clone(&self.inner);
        ResponseFuture::new(async move { inner.verify(&credentials).await })
    }
}

/// Without the password of the service account.
impl fmt::Debug for Ldap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ldap").field(&self.inner.settings).finish()
    }
}
