use std::fmt;

use crate::session::Credentials;

/// The hash of a user's password as a database or another store of accounts has it, in the extensions of the credentials that the verifier gets.
#[derive(Clone)]
pub struct StoredHash(Option<Box<str>>);

impl StoredHash {
    pub(crate) fn new(hash: Option<&str>) -> Self {
        Self(hash.map(Into::into))
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
