//! Hashes that a directory has stored.

use std::sync::{Arc, Mutex, PoisonError};

use tower_socks::{Credentials, Identity, error::AuthError, layer::auth::StoredHash};

use crate::hashes::{Hash, Memory};

/// Verifies a password by the hash that a directory has stored; `None` where none was asked.
pub(crate) fn verify_stored(
    memory: &mut Memory,
    credentials: &Credentials,
) -> Option<Result<Identity, AuthError>> {
    /// Of no known password, with the costs of `server hash-password`.
    const ANY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXRoaW5nb2ZzYWx0$\
                       3bUUMlCZVx9iR8q4sTBm6H6bc6oBZjTQ2V7v0d0m8wM";
    /// The last hash that was right or wrong: those of a directory cost about the same, and a name that nobody has takes
    /// the time of it.
    static LAST: Mutex<Option<Arc<str>>> = Mutex::new(None);

    credentials.extensions().get::<StoredHash>()?;
    let password = credentials.password().as_bytes();
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(stored) = StoredHash::of(credentials) else {
        let text = last().clone();
        let hash = Hash::of_file(text.as_deref().unwrap_or(ANY).as_bytes());
        _ = hash.map(|hash| hash.verify(memory, password));
        return Some(Err(AuthError::Denied));
    };
    let hash = match Hash::of_file(stored.as_bytes()) {
        Ok(hash) => hash,
        Err(problem) => {
            let problem = format!("the hash of a user: {problem}");
            return Some(Err(AuthError::Verifier(problem.into())));
        }
    };
    *last() = Some(stored.into());
    Some(match hash.verify(memory, password) {
        true => Ok(Identity::named(credentials.name())),
        false => Err(AuthError::Denied),
    })
}
