use std::{future::poll_fn, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use shadowsocks::{ProxySocket, net::UdpSocket, relay::udprelay::proxy_socket::UdpSocketType};
use tokio::{task::JoinSet, time::sleep};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Identity, Request, Traffic, Tunnel,
    io::PrefixedStream,
    proto::{Address, Command},
};
use tracing::Instrument;

use super::{
    Bounds,
    known::KnownSessions,
    session::{FRAMES, Outlet, session},
};
use crate::{
    keys::Keys,
    receive::{Received, poll_receive},
};

/// Octets of frames that the pipe into the stack holds, and those of the one out of it.
const PIPE: usize = 64 * 1_024;

/// How long a socket that has failed is left alone.
const REST: Duration = Duration::from_secs(1);

/// Serves the datagrams of shadowsocks' clients that come to `socket`, until it is dropped, and all sessions with it.
///
/// Each session of a user becomes a request for UDP ASSOCIATE to `dial`, as if its datagrams came in frames on a stream
/// ([`UdpOverTcp`](tower_socks::proto::UdpOverTcp)). A datagram that has come before is dropped, and so is one that has
/// no user's key, at the cost of a decryption.
///
/// # Errors
///
/// When the socket has no address.
pub async fn serve_datagrams<S>(
    socket: tokio::net::UdpSocket,
    keys: Keys,
    bounds: Bounds,
    dial: S,
) -> io::Result<()>
where
    S: Service<Request, Response: Tunnel, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
{
    let local = socket.local_addr()?;
    let (kind, socket) = (UdpSocketType::Server, UdpSocket::from(socket));
    let socket = ProxySocket::from_socket(kind, keys.context, &keys.config, socket);
    let mut server = Server {
        socket: Arc::new(socket),
        local,
        dial,
        known: KnownSessions::new(bounds),
        running: JoinSet::new(),
    };
    loop {
        let socket = Arc::clone(&server.socket);
        let received = poll_fn(|cx| poll_receive(&socket, cx, |datagram| server.take(datagram)));
        if let Err(error) = received.await {
            tracing::warn!(%error, "receiving datagrams");
            sleep(REST).await;
        }
        while let Some(ended) = server.running.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a session panicked");
            }
        }
    }
}

struct Server<S> {
    socket: Arc<ProxySocket<UdpSocket>>,
    local: SocketAddr,
    dial: S,
    known: KnownSessions,
    running: JoinSet<()>,
}

impl<S> Server<S>
where
    S: Service<Request, Response: Tunnel, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
{
    fn take(&mut self, datagram: Received<'_>) {
        let Some(user) = datagram.control.user.clone() else {
            return; // never: the keys of a server are those of users
        };
        let create = |first: &Received<'_>| session(self.socket.clone(), user.clone(), first);
        if let Some(opened) = self.known.push(&user, datagram, create) {
            self.open(Identity::named(user.name()), opened);
        }
    }

    /// Sends a session through the stack, and has it run.
    fn open(&mut self, user: Identity, session: Outlet) {
        let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
        request.peer = session.peer();
        request.local = self.local;
        request.identity = user;
        request.extensions.insert(FRAMES);
        let span = tracing::info_span!("datagrams", peer = %request.peer, user = %request.identity);
        let dial = self.dial.clone();
        let running = async move {
            match run(dial, request, session).await {
                Ok(Traffic { up, down }) => tracing::info!(up, down, "session ended"),
                Err(error) => tracing::info!(%error, "session ended"),
            }
        };
        self.running.spawn(running.instrument(span));
    }
}

async fn run<S>(dial: S, request: Request, session: Outlet) -> Result<Traffic, BoxError>
where
    S: Service<Request, Response: Tunnel, Error: Into<BoxError>>,
{
    let tunnel = dial.oneshot(request).await.map_err(Into::into)?;
    let (frames, stream) = tokio::io::duplex(PIPE);
    let mut running = pin!(tunnel.run(PrefixedStream::new(stream)));
    let carrying = pin!(session.carry(frames));
    // The stack says how it ended, such as by a limit on idleness.
    Ok(match select(&mut running, carrying).await {
        Either::Left((ended, _)) => ended?,
        Either::Right(_) => running.await?,
    })
}
