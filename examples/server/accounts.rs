//! Users: names with passwords as they are, or with their hashes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use serde::{Deserialize, Deserializer, de};
use tokio::{sync::Semaphore, task::spawn_blocking};
use tower::ServiceExt;
use tower_socks::{BoxError, Credentials, Identity, Users, error::AuthError};

/// Verifications at once: each takes 19 MiB and a core for some 20 ms.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism();
    Semaphore::new(cores.map_or(1, std::num::NonZeroUsize::get))
});

#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) users: Users,
    pub(crate) hashes: Hashes,
}

impl Accounts {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len() + self.hashes.0.len()
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.users.contains(name) || self.hashes.0.contains_key(name)
    }

    /// Verifies credentials. Takes as long for a name that nobody has as for a wrong password.
    pub(crate) async fn verify(self, credentials: Credentials) -> Result<Identity, BoxError> {
        let known = self.hashes.0.get(credentials.name());
        let anyone = self.hashes.0.values().next();
        let hash = match known.or(anyone) {
            Some(hash) if !self.users.contains(credentials.name()) => hash.clone(),
            _ => return Ok(self.users.oneshot(credentials).await?),
        };
        let is_known = known.is_some();
        let _turn = TURNS.acquire().await?;
        let verified = spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).ok()?;
            let password = credentials.password().as_bytes();
            let right = Argon2::default().verify_password(password, &hash).is_ok();
            (right && is_known).then(|| Identity::named(credentials.name()))
        });
        verified.await?.ok_or_else(|| AuthError::Denied.into())
    }
}

/// `[password_hashes]`: names, each with a hash of argon2 in the PHC format.
#[derive(Clone, Default)]
pub(crate) struct Hashes(Arc<HashMap<Box<[u8]>, Box<str>>>);

/// Names and hashes are nobody's business.
impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hashes({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stated = HashMap::<String, Hash>::deserialize(deserializer)?;
        let mut hashes = HashMap::new();
        for (name, Hash(hash)) in stated {
            if !(1..=255).contains(&name.len()) {
                return Err(de::Error::custom(
                    "the name of a user must have 1 to 255 octets",
                ));
            }
            hashes.insert(name.into_bytes().into(), hash);
        }
        Ok(Self(Arc::new(hashes)))
    }
}

struct Hash(Box<str>);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not shown: it may be a password in a wrong place.
        let problem =
            || de::Error::custom("this is no hash of argon2: make one by `server hash-password`");
        let text = String::deserialize(deserializer).map_err(|_| problem())?;
        let hash = PasswordHash::new(&text).map_err(|_| problem())?;
        if !hash.algorithm.as_str().starts_with("argon2") {
            return Err(problem());
        }
        Ok(Self(text.into()))
    }
}

/// The hash of a password, for the file.
pub(crate) fn hash(password: &str) -> Result<String, BoxError> {
    if !(1..=255).contains(&password.len()) {
        return Err("a password must have 1 to 255 octets".into());
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| error.to_string())?.to_string())
}
