use std::fmt;

use tower_service::Service;

use crate::{
    error::{AuthError, BoxError, UnknownUser, find},
    session::{Credentials, Identity},
};

/// The hash of a user's password as a database or another store of accounts has it, in the extensions of the credentials that the verifier gets.
#[derive(Clone)]
pub struct StoredHash(Option<Box<str>>);

impl StoredHash {
    fn new(hash: Option<&str>) -> Self {
        Self(hash.map(Into::into))
    }

    /// Has a verifier look at credentials by the hash of their account, which may have none, or not be there.
    ///
    /// # Errors
    ///
    /// What the verifier says, and [`UnknownUser`] where there is no account.
    pub(crate) async fn verify<V>(
        hash: Option<&str>,
        is_known: bool,
        mut credentials: Credentials,
        verifier: &mut V,
    ) -> Result<Identity, BoxError>
    where
        V: Service<Credentials, Response = Identity, Error: Into<BoxError>>,
    {
        credentials.extensions_mut().insert(Self::new(hash));
        // For whom nobody knows as well, so that it takes as long.
        let verified = verifier.call(credentials).await.map_err(Into::into);
        match verified {
            // Nobody has looked at it.
            Err(error) if !matches!(find(&*error), Some(AuthError::Denied)) => Err(error),
            _ if !is_known => Err(UnknownUser.into()),
            verified => verified,
        }
    }

    /// Returns the hash for these credentials. `None` for a name that nobody has, and for a user without a password: a
    /// verifier takes its time for them too, and says no.
    #[must_use]
    pub fn of(credentials: &Credentials) -> Option<&str> {
        let stored = credentials.extensions().get::<Self>()?;
        stored.0.as_deref()
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash")
    }
}
