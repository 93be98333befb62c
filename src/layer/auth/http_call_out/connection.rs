//! Connections to a service.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinHandle, time::Instant};
use tokio_rustls::rustls::ClientConfig;

use super::{error::Failure, question::Once, url::Url};
use crate::{io::BoxStream, tls};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Octets of the head of an answer.
const LONGEST_HEAD: usize = 16 * 1024;

pub(super) struct Connection {
    sender: SendRequest<Once>,
    /// Moves what is asked. It ends with the connection, even where nobody reads what is written.
    _driver: Driver,
    since: Instant,
}

struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    pub(super) async fn open(url: &Url, tls: Option<&Arc<ClientConfig>>) -> Result<Self, Failure> {
        let io = TcpStream::connect((&*url.host, url.port)).await;
        let io = io.and_then(|io| io.set_nodelay(true).map(|()| io));
        let io = io.map_err(Failure::Io)?;
        // With a name there is a configuration.
        let io = match (&url.name, tls) {
            (Some(name), Some(tls)) => {
                let secured = tls::connect(Arc::clone(tls), name.clone(), io).await;
                BoxStream::new(secured.map_err(Failure::Tls)?)
            }
            _ => BoxStream::new(io),
        };
        let (sender, driver) = Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .handshake(TokioIo::new(io))
            .await
            .map_err(Failure::Http)?;
        let driver = Driver(tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!("a connection to a service has ended: {error}");
            }
        }));
        Ok(Self {
            sender,
            _driver: driver,
            since: Instant::now(),
        })
    }

    pub(super) async fn ask(
        &mut self,
        request: Request<Once>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Whether another question may be asked by it, now that the answer is read.
    async fn is_ready(&mut self) -> bool {
        !self.sender.is_closed() && self.sender.ready().await.is_ok()
    }
}

/// Those that are idle.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Connection>>);

impl Idle {
    /// One that has not ended.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let connection = self.with(Vec::pop)?;
            if connection.since.elapsed() < IDLE && !connection.sender.is_closed() {
                return Some(connection);
            }
        }
    }

    /// Keeps one whose answer was read, of so many.
    pub(super) async fn keep(&self, mut connection: Connection, most: usize) {
        if connection.is_ready().await {
            connection.since = Instant::now();
            let left = self.with(|idle| match idle.len() < most {
                true => {
                    idle.push(connection);
                    None
                }
                false => Some(connection),
            });
            // Outside of the lock.
            drop(left);
        }
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        drop(self.with(std::mem::take));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Connection>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
