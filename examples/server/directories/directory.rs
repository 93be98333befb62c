//! One directory.

use std::{path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
#[cfg(feature = "postgres")]
use tower::Layer;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};
#[cfg(feature = "postgres")]
use tower_socks::layer::auth::postgres::PostgresLayer;
use tower_socks::{BoxError, Credentials, Identity, layer::auth::BlockingVerifier};

#[cfg(feature = "redis")]
use crate::fleet::FleetUsers;
use crate::{certificates::Certificates, warnings::is_exposed};

/// Asks a directory. It fails with `UnknownUser` where nobody has that name, with `AuthError::Denied` where the password is
/// wrong, and with anything else where it cannot tell.
#[derive(Clone)]
pub(crate) enum Verifier {
    Service(BoxCloneSyncService<Credentials, Identity, BoxError>),
    /// It has the hash, and computes nothing.
    #[cfg(feature = "postgres")]
    Hashes(PostgresLayer),
    /// The same of a fleet's.
    #[cfg(feature = "redis")]
    Fleet(FleetUsers),
}

impl Verifier {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Credentials, Response = Identity, Error = BoxError>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        Self::Service(BoxCloneSyncService::new(service))
    }

    pub(super) async fn verify(
        &self,
        credentials: Credentials,
        _hashing: &BlockingVerifier,
    ) -> Result<Identity, BoxError> {
        match self {
            Self::Service(service) => service.clone().oneshot(credentials).await,
            #[cfg(feature = "postgres")]
            Self::Hashes(layer) => layer.layer(_hashing.clone()).oneshot(credentials).await,
            #[cfg(feature = "redis")]
            Self::Fleet(users) => users.verify(credentials, _hashing).await,
        }
    }
}

/// Whether a name that was verified is still known; `None` where nobody can tell without a password.
pub(crate) type Knows =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<bool>, BoxError>> + Send + Sync>;

/// How many logins wait, and how many may.
type Queue = Arc<dyn Fn() -> (usize, usize) + Send + Sync>;

/// A directory.
#[derive(Clone)]
pub(crate) struct Directory {
    /// The table of the file that states it.
    pub(super) name: &'static str,
    pub(super) verifier: Verifier,
    pub(super) knows: Option<Knows>,
    pub(super) queue: Option<Queue>,
    pub(super) needs_records: bool,
    stated: String,
    warnings: Vec<String>,
    secret_files: Vec<PathBuf>,
    pub(super) certificates: Certificates,
}

impl Directory {
    /// Creates one. `stated` is all that is stated of it, with its secrets: by that a reload knows whether it is another
    /// one. It is never shown.
    pub(crate) fn new(name: &'static str, verifier: Verifier, stated: String) -> Self {
        Self {
            name,
            verifier,
            knows: None,
            queue: None,
            needs_records: false,
            stated,
            warnings: Vec::new(),
            secret_files: Vec::new(),
            certificates: Certificates::default(),
        }
    }

    /// Sets what an operator is warned about.
    pub(crate) fn warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Sets files that have nothing but a secret: those that everybody can read are warned about.
    pub(crate) fn secret_files(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.secret_files.extend(files);
        self
    }

    /// Sets that it is told of the session in which somebody logs in, so that sessions have records.
    #[cfg(feature = "http-auth")]
    pub(crate) fn needs_records(mut self) -> Self {
        self.needs_records = true;
        self
    }

    /// Sets when authorities expire that it is known by.
    pub(crate) fn certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = certificates;
        self
    }

    /// Sets what tells how many logins wait for it, and how many may.
    #[cfg(any(
        feature = "http-auth",
        feature = "ldap",
        feature = "postgres",
        feature = "radius"
    ))]
    pub(crate) fn queue(
        mut self,
        queue: impl Fn() -> (usize, usize) + Send + Sync + 'static,
    ) -> Self {
        self.queue = Some(Arc::new(queue));
        self
    }

    /// Sets how a name is looked for without a password.
    pub(crate) fn knows(mut self, knows: Knows) -> Self {
        self.knows = Some(knows);
        self
    }

    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.name == other.name && self.stated == other.stated
    }

    pub(super) fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        let exposed = self.secret_files.iter();
        for file in exposed.filter(|file| is_exposed(file)) {
            tracing::warn!(
                "{}: is a secret, and everybody on this machine can read it: chmod o-r",
                file.display()
            );
        }
    }
}
