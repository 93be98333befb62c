//! Directories: they know users whom the file does not.
//!
//! A name in the tables of the file, in `users_file` or on the command line is verified there and nowhere else. Any other is
//! asked for in the directories, one after the other: one that knows nobody of that name leaves it to the next. A
//! wrong password is the end of it, and so is a directory that cannot tell: otherwise who can silence one directory would be
//! verified by another.

#[cfg(feature = "ldap")]
pub(crate) mod ldap;
#[cfg(feature = "ldap")]
pub(crate) mod secret;
#[cfg(not(feature = "ldap"))]
pub(crate) mod unbuilt;

#[cfg(not(feature = "ldap"))]
pub(crate) use self::unbuilt::ldap;

use std::{fmt, path::PathBuf, sync::Arc};

use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_socks::{
    BoxError, Credentials, Identity,
    error::{AuthError, UnknownUser},
};

use crate::warnings::is_exposed;

/// Asks a directory. It fails with [`UnknownUser`] where nobody has that name, with [`AuthError::Denied`] where the
/// password is wrong, and with anything else where it cannot tell.
pub(crate) type Verifier = BoxCloneSyncService<Credentials, Identity, BoxError>;

/// A directory.
#[derive(Clone)]
pub(crate) struct Directory {
    /// The table of the file that states it.
    pub(crate) name: &'static str,
    pub(crate) verifier: Verifier,
    /// What an operator is warned about.
    pub(crate) warnings: Vec<String>,
    /// Files with a secret alone.
    pub(crate) secret_files: Vec<PathBuf>,
    /// All that is stated of it, with its secrets: by which a reload knows whether it is another one. Never shown.
    pub(crate) stated: String,
}

/// All of them, in the order in which they are asked.
#[derive(Clone, Default)]
pub(crate) struct Directories(Arc<[Directory]>);

/// In the extensions of an identity: the directory that knows it.
struct ByDirectory(&'static str);

impl Directories {
    pub(crate) fn new(all: impl IntoIterator<Item = Directory>) -> Self {
        Self(all.into_iter().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|directory| directory.name)
    }

    /// Warns at the start and after each reload.
    pub(crate) fn warn(&self) {
        for directory in &*self.0 {
            for warning in &directory.warnings {
                tracing::warn!("{warning}");
            }
            let exposed = directory.secret_files.iter();
            for file in exposed.filter(|file| is_exposed(file)) {
                tracing::warn!(
                    "{}: is a secret, and everybody on this machine can read it: chmod o-r",
                    file.display()
                );
            }
        }
    }

    /// Whether both ask the same directories in the same manner.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let stated = |all: &Self| -> Vec<_> {
            let all = all.0.iter();
            all.map(|one| (one.name, one.stated.clone())).collect()
        };
        stated(self) == stated(other)
    }

    /// Asks for a name that the file does not know.
    ///
    /// # Errors
    ///
    /// [`AuthError::Denied`] for a wrong name or password, and [`AuthError::Verifier`] with the directory's name in it
    /// where that could not tell.
    pub(crate) async fn verify(&self, credentials: Credentials) -> Result<Identity, BoxError> {
        for directory in &*self.0 {
            let verifier = directory.verifier.clone();
            match verifier.oneshot(credentials.clone()).await {
                Ok(mut identity) => {
                    let by = ByDirectory(directory.name);
                    identity.extensions_mut().insert(by);
                    return Ok(identity);
                }
                Err(error) if UnknownUser::is_in(&*error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(AuthError::Denied.into())
    }

    /// Whether a directory has verified an identity; and if so, whether it is still asked.
    pub(crate) fn know(&self, identity: &Identity) -> Option<bool> {
        let ByDirectory(by) = identity.extensions().get()?;
        Some(self.names().any(|name| name == *by))
    }
}

/// What is stated of them is nobody's business.
impl fmt::Debug for Directories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
