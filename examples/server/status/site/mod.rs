//! A small HTTP server, for addresses of the server's own: a few connections, each for a short time.

mod answer;
mod body;
mod host;
mod query;

use std::{
    collections::VecDeque, convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc,
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    task::AbortHandle,
    time::{sleep, timeout},
};

pub(super) use self::{
    answer::{Answer, file, json, response, text},
    body::body,
    host::{is_asked_by_address, is_asked_by_own_page, port},
    query::Query,
};

/// Connections at once: this is for a scraper and a few people. One more takes the place of the oldest, so
/// that those that are slow or idle keep nobody out.
const CONNECTIONS: usize = 32;

/// How long a client may take to ask, and a connection may be open.
const PATIENCE: Duration = Duration::from_secs(10);
const LIFETIME: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Tcp(SocketAddr),
    /// The user of the process at the other end of a Unix socket, where the system says it.
    Unix(Option<u32>),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(user)) => write!(f, "uid {user}"),
            Self::Unix(None) => f.write_str("the socket"),
        }
    }
}

/// Accepts connections.
pub(super) trait Accepts: Send + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn next(&self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

impl Accepts for TcpListener {
    type Io = tokio::net::TcpStream;

    async fn next(&self) -> io::Result<(Self::Io, Peer)> {
        let (stream, peer) = self.accept().await?;
        Ok((stream, Peer::Tcp(peer)))
    }
}

impl Accepts for UnixListener {
    type Io = tokio::net::UnixStream;

    async fn next(&self) -> io::Result<(Self::Io, Peer)> {
        let (stream, _) = self.accept().await?;
        let user = stream.peer_cred().ok().map(|peer| peer.uid());
        Ok((stream, Peer::Unix(user)))
    }
}

/// Answers requests.
pub(super) trait Site: Send + Sync + 'static {
    /// The table of the file that this is about, for the log.
    const NAME: &'static str;

    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Answer> + Send;
}

/// Serves for ever.
pub(super) async fn serve<L: Accepts, S: Site>(listener: L, site: Arc<S>) {
    let mut connections = VecDeque::<AbortHandle>::new();
    loop {
        let (stream, peer) = match listener.next().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "{}: cannot accept", S::NAME);
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let site = Arc::clone(&site);
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= CONNECTIONS
            && let Some(oldest) = connections.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(async move {
            let answers = service_fn(move |request| {
                let answer = Arc::clone(&site).answer(request, peer);
                async { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), answers);
            if let Ok(Err(error)) = timeout(LIFETIME, connection).await {
                tracing::debug!(%error, "{}: connection broken off", S::NAME);
            }
        });
        connections.push_back(connection.abort_handle());
    }
}
