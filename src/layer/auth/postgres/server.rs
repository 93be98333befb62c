//! A server: where it is, and its idle connections.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_postgres::{
    Client, Config, NoTls, Statement,
    config::{Host, SslMode},
    types::Type,
};
use tokio_rustls::rustls::{ClientConfig, pki_types::ServerName};

use super::{
    super::availability::Availability,
    bounded::{Allowance, Bounded},
    error::{Failure, InvalidPostgres},
};
use crate::{io::BoxStream, tls};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// SSLRequest.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(super) struct Server {
    pub(super) place: Place,
    pub(super) availability: Availability,
    idle: Mutex<Vec<Connection>>,
}

/// Where it is.
#[derive(Clone)]
pub(super) enum Place {
    Tcp {
        host: String,
        port: u16,
        /// What its certificate has to be for; `None` where there is no TLS.
        name: Option<ServerName<'static>>,
    },
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Place {
    /// All that are stated.
    pub(super) fn all(config: &Config) -> Result<Vec<Self>, InvalidPostgres> {
        let ports = config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = config.get_hosts().iter().enumerate();
        let places = hosts.map(|(at, host)| match host {
            Host::Tcp(host) => {
                let is_here = host == "localhost"
                    || host
                        .parse()
                        .is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback());
                let has_tls = match config.get_ssl_mode() {
                    SslMode::Disable => false,
                    SslMode::Require => true,
                    // "Prefer" by others is up to who is on the path.
                    _ => !is_here,
                };
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|_| {
                    InvalidPostgres(format!("`{host}` is a host that no certificate can have"))
                });
                Ok(Self::Tcp {
                    host: host.clone(),
                    port: port(at),
                    name: has_tls.then_some(name).transpose()?,
                })
            }
            Host::Unix(directory) => {
                Ok(Self::Unix(directory.join(format!(".s.PGSQL.{}", port(at)))))
            }
        });
        places.collect()
    }

    pub(super) const fn has_tls(&self) -> bool {
        matches!(self, Self::Tcp { name: Some(_), .. })
    }

    /// Whether anybody on the path reads what is asked.
    pub(super) fn is_exposed(&self) -> bool {
        match self {
            Self::Tcp {
                host, name: None, ..
            } => {
                host != "localhost"
                    && !host
                        .parse()
                        .is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback())
            }
            _ => false,
        }
    }
}

/// A connection with the query prepared.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) statement: Statement,
    pub(super) allowance: Allowance,
    /// Moves what the client asks. It ends with the connection, even where nobody reads what is written.
    _driver: Driver,
    since: Instant,
}

struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    pub(super) fn new(place: Place) -> Self {
        Self {
            availability: Availability::new(format!("PostgreSQL at {place}")),
            place,
            idle: Mutex::default(),
        }
    }

    /// An idle connection, if there is one that has not ended.
    pub(super) fn idle(&self) -> Option<Connection> {
        loop {
            let connection = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.pop()?
            };
            if connection.since.elapsed() < IDLE && !connection.client.is_closed() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose last answer was complete, one of so many.
    pub(super) fn keep(&self, mut connection: Connection, most: usize) {
        connection.since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < most {
            idle.push(connection);
        }
    }

    /// It has failed: its idle connections go as well.
    pub(super) fn failed(&self, failure: &Failure) {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *idle)
        };
        drop(idle);
        self.availability.failed(&failure.told());
    }

    /// Connects, and prepares the query.
    pub(super) async fn open(
        &self,
        config: &Config,
        tls: Option<&Arc<ClientConfig>>,
        query: &str,
        longest: Duration,
    ) -> Result<Connection, Failure> {
        let opening = async {
            let io = self.place.connect(tls).await?;
            let allowance = Allowance::new();
            let io = Bounded {
                io,
                allowance: allowance.clone(),
            };
            // What TLS there is is inside of the stream.
            let mut config = config.clone();
            config.ssl_mode(SslMode::Disable);
            let (client, driver) = config.connect_raw(io, NoTls).await.map_err(Failure::Sql)?;
            let driver = Driver(tokio::spawn(async move {
                if let Err(error) = driver.await {
                    tracing::debug!("a connection to PostgreSQL has ended: {error}");
                }
            }));
            let statement = client.prepare_typed(query, &[Type::TEXT]).await;
            Ok(Connection {
                statement: statement.map_err(Failure::Sql)?,
                client,
                allowance,
                _driver: driver,
                since: Instant::now(),
            })
        };
        let opened = timeout_at(Instant::now() + longest, opening).await;
        opened.unwrap_or(Err(Failure::Slow("connecting")))
    }
}

impl Place {
    async fn connect(&self, tls: Option<&Arc<ClientConfig>>) -> Result<BoxStream, Failure> {
        let (host, port, name) = match self {
            Self::Unix(path) => {
                let io = UnixStream::connect(path).await.map_err(Failure::Io)?;
                return Ok(BoxStream::new(io));
            }
            Self::Tcp { host, port, name } => (host, *port, name),
        };
        let io = TcpStream::connect((host.as_str(), port)).await;
        let io = io.and_then(|io| io.set_nodelay(true).map(|()| io));
        let mut io = io.map_err(Failure::Io)?;
        // With a name there is a configuration.
        let (Some(name), Some(tls)) = (name, tls) else {
            return Ok(BoxStream::new(io));
        };
        let asked = async {
            io.write_all(&SSL_REQUEST).await?;
            // One octet alone: what is behind it in clear text would be no TLS.
            io.read_u8().await
        };
        match asked.await.map_err(Failure::Io)? {
            b'S' => {}
            _ => return Err(Failure::NoTls),
        }
        let secured = tls::connect(Arc::clone(tls), name.clone(), io).await;
        Ok(BoxStream::new(secured.map_err(Failure::Tls)?))
    }
}
