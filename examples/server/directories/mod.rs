//! Directories: they know users whom the file does not.
//!
//! A name in the tables of the file, in `users_file` or on the command line is verified there and nowhere else. Any other is
//! asked for in the directories, one after the other: one that knows nobody of that name leaves it to the next. A
//! wrong password is the end of it, and so is a directory that cannot tell: otherwise who can silence one directory would be
//! verified by another.

#[cfg_attr(
    not(all(feature = "http-auth", feature = "ldap", feature = "radius")),
    allow(dead_code, reason = "of directories that this build has not")
)]
mod directory;
mod gone;
#[cfg(feature = "http-auth")]
pub(crate) mod http_auth;
#[cfg(feature = "ldap")]
pub(crate) mod ldap;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "radius")]
pub(crate) mod radius;
pub(crate) mod recheck;
#[cfg(any(
    feature = "http-auth",
    feature = "ldap",
    feature = "postgres",
    feature = "radius",
    feature = "redis"
))]
pub(crate) mod secret;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) mod stored;
#[cfg(not(all(
    feature = "http-auth",
    feature = "ldap",
    feature = "postgres",
    feature = "radius"
)))]
mod unbuilt;

use std::{fmt, sync::Arc, time::Instant};

use tower_socks::{
    BoxError, Credentials, Identity,
    error::{AuthError, UnknownUser},
    layer::auth::BlockingVerifier,
};

use crate::certificates::Certificates;

pub(crate) use self::directory::Directory;
#[cfg(any(
    feature = "http-auth",
    feature = "ldap",
    feature = "postgres",
    feature = "radius",
    feature = "redis"
))]
pub(crate) use self::directory::Verifier;
use self::gone::Gone;
#[cfg(not(feature = "http-auth"))]
pub(crate) use self::unbuilt::http_auth;
#[cfg(not(feature = "ldap"))]
pub(crate) use self::unbuilt::ldap;
#[cfg(not(feature = "postgres"))]
pub(crate) use self::unbuilt::postgres;
#[cfg(not(feature = "radius"))]
pub(crate) use self::unbuilt::radius;

/// The tables of the file that state them.
pub(crate) const NAMES: [&str; 4] = ["ldap", "postgres", "http_auth", "radius"];

/// All of them, in the order in which they are asked.
#[derive(Clone, Default)]
pub(crate) struct Directories {
    all: Arc<[Directory]>,
    gone: Gone,
}

/// In the extensions of an identity: the directory that knows it, and since when.
struct ByDirectory {
    directory: &'static str,
    verified: Instant,
}

impl Directories {
    /// Collects those that are stated, in the order that is stated.
    ///
    /// # Errors
    ///
    /// The order does not name each of them once.
    pub(crate) fn new(
        stated: impl IntoIterator<Item = Directory>,
        order: Option<&[String]>,
    ) -> Result<Self, String> {
        let mut stated: Vec<_> = stated.into_iter().collect();
        let all = match order {
            None => stated,
            Some(order) => {
                let mut all = Vec::new();
                for name in order {
                    let at = stated.iter().position(|directory| directory.name == name);
                    let at = at.ok_or_else(|| {
                        format!("directories: there is no table [{name}], or it is named twice")
                    })?;
                    all.push(stated.remove(at));
                }
                if let Some(left) = stated.first() {
                    return Err(format!("directories: [{}] is not named", left.name));
                }
                all
            }
        };
        Ok(Self {
            all: all.into(),
            gone: Gone::default(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.all.iter().map(|directory| directory.name)
    }

    /// How many logins wait for one of them, and how many may.
    pub(crate) fn queue(&self, name: &str) -> Option<(usize, usize)> {
        let mut all = self.all.iter();
        let directory = all.find(|directory| directory.name == name)?;
        Some((directory.queue.as_ref()?)())
    }

    /// Whether one of them is told of sessions.
    pub(crate) fn need_records(&self) -> bool {
        self.all.iter().any(|directory| directory.needs_records)
    }

    /// Warns at the start and after each reload.
    pub(crate) fn warn(&self) {
        for directory in &*self.all {
            directory.warn();
        }
    }

    /// When authorities expire that they are known by.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificates> {
        self.all.iter().map(|directory| &directory.certificates)
    }

    /// Whether both ask the same directories in the same manner.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let (own, others) = (self.all.iter(), other.all.iter());
        own.len() == others.len()
            && own
                .zip(others)
                .all(|(one, another)| one.is_same_as(another))
    }

    /// Keeps what is known of the users of those before.
    pub(crate) fn follow(&mut self, old: &Self) {
        if self.is_same_as(old) {
            self.all = Arc::clone(&old.all);
        }
        self.gone = old.gone.clone();
    }

    /// Asks for a name that the file does not know. Hashes of one are computed by `hashing`.
    ///
    /// # Errors
    ///
    /// [`AuthError::Denied`] for a wrong name or password, and [`AuthError::Verifier`] with the directory's name in it
    /// where that could not tell.
    pub(crate) async fn verify(
        &self,
        credentials: Credentials,
        hashing: BlockingVerifier,
    ) -> Result<Identity, BoxError> {
        for directory in &*self.all {
            // Before it is asked: who is found to be gone meanwhile is gone.
            let by = ByDirectory {
                directory: directory.name,
                verified: Instant::now(),
            };
            let verifying = directory.verifier.verify(credentials.clone(), &hashing);
            match verifying.await {
                Ok(mut identity) => {
                    identity.extensions_mut().insert(by);
                    return Ok(identity);
                }
                Err(error) if UnknownUser::is_in(&*error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(AuthError::Denied.into())
    }

    /// Whether a directory has verified an identity; and if so, whether it is still asked, and has not been found to
    /// know it no longer.
    pub(crate) fn know(&self, identity: &Identity) -> Option<bool> {
        let by: &ByDirectory = identity.extensions().get()?;
        let is_asked = self.names().any(|name| name == by.directory);
        let name = identity.name().unwrap_or_default();
        Some(is_asked && !self.gone.since(name, by.verified))
    }
}

/// What is stated of them is nobody's business.
impl fmt::Debug for Directories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
