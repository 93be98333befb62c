use std::{fmt, sync::Arc, time::Duration};

use tokio_postgres::Config;
use tokio_rustls::rustls::ClientConfig;
use tower_layer::Layer;

use super::{
    super::gate::Gate,
    error::InvalidPostgres,
    server::{Place, Server},
    service::{Inner, Postgres},
};
use crate::tls::ClientSettings;

/// Asks a database for the hash of a password, and a verifier whether it fits. See the [module](super).
///
/// Clones share connections and places.
#[derive(Clone)]
pub struct PostgresLayer {
    inner: Arc<Inner>,
}

/// How a database is asked: makes a [`PostgresLayer`].
#[derive(Clone)]
#[must_use]
pub struct PostgresBuilder {
    config: Config,
    query: String,
    tls: Option<Arc<ClientConfig>>,
    connections: usize,
    waiting: usize,
    patience: Duration,
    connect: Duration,
    answer: Duration,
}

impl PostgresLayer {
    /// Asks by this query, in which `$1` is the name, a text.
    ///
    /// `database` is what libpq takes: `postgres://proxy@db.example/users` or `host=db.example user=proxy dbname=users`,
    /// with several hosts of which the next is asked where one is away. Without `sslmode` TLS is required but for this
    /// machine, `sslmode=require` requires it here as well, and only `disable` does without. Certificates are always
    /// checked.
    ///
    /// # Errors
    ///
    /// The text is malformed.
    pub fn builder(
        database: &str,
        query: impl Into<String>,
    ) -> Result<PostgresBuilder, InvalidPostgres> {
        let config = database.parse::<Config>().map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            InvalidPostgres(format!(
                "this is no database, such as postgres://proxy@db.example/users: {}",
                cause.unwrap_or_else(|| error.to_string())
            ))
        })?;
        Ok(PostgresBuilder {
            config,
            query: query.into(),
            tls: None,
            connections: 8,
            waiting: 512,
            patience: Duration::from_secs(5),
            connect: Duration::from_secs(4),
            answer: Duration::from_secs(4),
        })
    }

    /// Returns how many logins wait for their turn, and how many may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        self.inner.gate.waiting()
    }

    /// Returns the servers that are asked in clear text, other than those of this machine: anybody on the path reads
    /// hashes of passwords, and may send others.
    pub fn clear_text(&self) -> impl Iterator<Item = String> {
        let all = self.inner.servers.iter();
        let exposed = all.filter(|server| server.place.is_exposed());
        exposed.map(|server| server.place.to_string())
    }
}

impl<V> Layer<V> for PostgresLayer {
    type Service = Postgres<V>;

    fn layer(&self, inner: V) -> Postgres<V> {
        Postgres::new(inner, Arc::clone(&self.inner))
    }
}

impl PostgresBuilder {
    /// Sets the password of the account that asks.
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.config.password(password);
        self
    }

    /// Sets whom we trust, and who we are. By default those of the platform.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Sets how many connections there are, each for one question at a time: 8 by default. Idle ones are kept for a minute.
    pub const fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// Sets how many logins wait for one of these: 512 by default. Each site, client and name has a share of them.
    pub const fn waiting(mut self, most: usize) -> Self {
        self.waiting = most;
        self
    }

    /// Sets how long a login waits for one: 5 s by default.
    pub const fn patience(mut self, longest: Duration) -> Self {
        self.patience = longest;
        self
    }

    /// Sets how long a new connection may take, with TLS and login: 4 s by default.
    pub const fn connect_timeout(mut self, longest: Duration) -> Self {
        self.connect = longest;
        self
    }

    /// Sets how long an answer may take: 4 s by default.
    pub const fn answer_timeout(mut self, longest: Duration) -> Self {
        self.answer = longest;
        self
    }

    /// Makes the layer. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// No host, one that no certificate can have, a query without `$1`, or no authorities of the platform.
    pub fn build(self) -> Result<PostgresLayer, InvalidPostgres> {
        let fail = |problem: &str| Err(InvalidPostgres(problem.into()));
        let places = Place::all(&self.config)?;
        if places.is_empty() {
            return fail("there is no host: a Unix socket is `host=/run/postgresql`");
        }
        if self.config.get_user().is_none_or(str::is_empty) {
            return fail("there is no user who asks: postgres://USER@HOST/DATABASE");
        }
        if !self.query.contains("$1") {
            return fail("the query has no $1, and is the same for all");
        }
        let tls = match self.tls {
            None if places.iter().any(Place::has_tls) => {
                let settings = ClientSettings::of_platform().and_then(ClientSettings::build);
                Some(settings.map_err(|error| InvalidPostgres(format!("TLS: {error}")))?)
            }
            tls => tls,
        };
        let gate = Gate::new(self.connections, self.waiting, self.patience);
        Ok(PostgresLayer {
            inner: Arc::new(Inner {
                servers: places.into_iter().map(Server::new).collect(),
                gate: Arc::new(gate),
                config: self.config,
                query: self.query,
                tls,
                connections: self.connections.max(1),
                connect: self.connect,
                answer: self.answer,
            }),
        })
    }
}

/// Without the password.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// Without the password.
impl fmt::Debug for PostgresLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLayer")
            .field("query", &self.inner.query)
            .finish_non_exhaustive()
    }
}
