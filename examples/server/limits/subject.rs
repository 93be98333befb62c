//! Whom amounts are counted for.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use tower_socks::{
    Identity, Request,
    layer::{
        key::{self, UserOrClient},
        meter::QuotaKey,
    },
};

/// A user, or a client without a name, with what was known of it when it was first counted: so that amounts can be looked up
/// again.
#[derive(Clone)]
pub(crate) struct Subject {
    key: UserOrClient,
    identity: Identity,
}

impl Subject {
    pub(crate) fn of(request: &Request) -> Option<Self> {
        Some(Self {
            key: key::user_or_client(request)?,
            identity: request.identity.clone(),
        })
    }

    pub(super) const fn key(&self) -> &UserOrClient {
        &self.key
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Subject {}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// As the log has it.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl QuotaKey for Subject {
    fn write(&self) -> String {
        self.key.write()
    }

    fn read(text: &str) -> Option<Self> {
        let key = UserOrClient::read(text)?;
        let identity = match &key {
            UserOrClient::User(user) => Identity::named(user.name()),
            UserOrClient::Client(_) => Identity::anonymous(),
        };
        Some(Self { key, identity })
    }
}
