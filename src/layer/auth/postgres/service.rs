use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::TryStreamExt;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Config, types::ToSql};
use tokio_rustls::rustls::ClientConfig;
use tower_service::Service;

use super::{
    super::{StoredHash, gate::Gate},
    ResponseFuture,
    error::{Failure, PostgresError},
    row::{self, Found},
    server::{Connection, Server},
};
use crate::{
    error::{AuthError, BoxError, UnknownUser},
    session::{Credentials, Identity},
};

/// The service of a [`PostgresLayer`](super::PostgresLayer).
#[derive(Clone)]
pub struct Postgres<V> {
    verifier: V,
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) servers: Vec<Server>,
    pub(super) gate: Arc<Gate>,
    pub(super) config: Config,
    pub(super) query: String,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) connections: usize,
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

impl<V> Postgres<V> {
    pub(super) const fn new(verifier: V, inner: Arc<Inner>) -> Self {
        Self { verifier, inner }
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

    /// Tells whether a name that was verified is still a user and not disabled, without a password.
    ///
    /// # Errors
    ///
    /// [`AuthError::Verifier`] where no server can tell.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection that it has asked by.
    pub async fn knows(&self, name: &str) -> Result<bool, BoxError> {
        let found = self.inner.find(name).await?;
        Ok(found.is_some_and(|found| !found.is_disabled))
    }
}

impl<V> Service<Credentials> for Postgres<V>
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
        let inner = Arc::clone(&self.inner);
        ResponseFuture::new(async move {
            let name = str::from_utf8(credentials.name()).ok();
            let name = name.filter(|name| !name.contains('\0')).map(str::to_owned);
            let found = match &name {
                Some(name) => {
                    // Not while the hash is computed: that waits in a queue of its own.
                    let _permit = inner
                        .gate
                        .enter(credentials.peer().ip(), credentials.name())
                        .await?;
                    inner.find(name).await?
                }
                None => None,
            };
            let hash = found.as_ref().and_then(|found| found.hash.as_deref());
            let is_known = found.is_some();
            let verified = StoredHash::verify(hash, is_known, credentials, &mut verifier).await?;
            let (Some(name), Some(found)) = (name, found) else {
                return Err(UnknownUser.into());
            };
            if found.is_disabled || found.hash.is_none() {
                return Err(AuthError::Denied.into());
            }
            Ok(found.identity(name, &verified))
        })
    }
}

impl Found {
    fn identity(self, sent: String, verified: &Identity) -> Identity {
        let mut identity = Identity::named(self.name.unwrap_or(sent));
        *identity.extensions_mut() = verified.extensions().clone();
        if !self.groups.is_empty() {
            identity = identity.with_groups(self.groups);
        }
        if let Some(amounts) = self.amounts {
            identity.extensions_mut().insert(amounts);
        }
        identity
    }
}

impl Inner {
    /// Asks one server after the other for a name.
    async fn find(&self, name: &str) -> Result<Option<Found>, BoxError> {
        let mut last = None;
        for server in &self.servers {
            let asked = match server.availability.may_be_asked() {
                true => self.find_at(server, name).await,
                false => Err(Failure::Away),
            };
            let failure = match asked {
                Ok(found) => {
                    server.availability.answered();
                    return Ok(found);
                }
                Err(failure) => failure,
            };
            let goes_on = failure.is_away();
            match failure {
                Failure::Away => {}
                ref failure if goes_on => server.failed(failure),
                _ => server.availability.answered(),
            }
            last = Some(PostgresError {
                server: server.place.to_string(),
                failure,
            });
            if !goes_on {
                break;
            }
        }
        let error = last.map_or_else(|| "there is no database".into(), BoxError::from);
        Err(AuthError::Verifier(error).into())
    }

    async fn find_at(&self, server: &Server, name: &str) -> Result<Option<Found>, Failure> {
        if let Some(idle) = server.idle() {
            match self.find_by(server, idle, name).await {
                Err(failure) if failure.is_stale() => {}
                answer => return answer,
            }
        }
        let opening = server.open(&self.config, self.tls.as_ref(), &self.query, self.connect);
        let connection = opening.await?;
        row::check(connection.statement.columns())?;
        self.find_by(server, connection, name).await
    }

    async fn find_by(
        &self,
        server: &Server,
        connection: Connection,
        name: &str,
    ) -> Result<Option<Found>, Failure> {
        connection.allowance.renew();
        let asking = async {
            let parameters: [&(dyn ToSql + Sync); 1] = [&name];
            let client = &connection.client;
            let rows = client.query_raw(&connection.statement, parameters).await;
            let mut rows = std::pin::pin!(rows.map_err(Failure::Sql)?);
            let Some(first) = rows.try_next().await.map_err(Failure::Sql)? else {
                return Ok(None);
            };
            match rows.try_next().await.map_err(Failure::Sql)? {
                None => Found::of(&first).map(Some),
                // The rest of them is not read: the connection goes.
                Some(_) => Err(Failure::Row(format!(
                    "two rows fit the name {name:?}: which of them counts?"
                ))),
            }
        };
        let asked = timeout_at(Instant::now() + self.answer, asking).await;
        let found = asked.unwrap_or(Err(Failure::Slow("query")))?;
        server.keep(connection, self.connections);
        Ok(found)
    }
}

/// Without what verifies, and the password.
impl<V> fmt::Debug for Postgres<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("query", &self.inner.query)
            .finish_non_exhaustive()
    }
}
