use std::{collections::HashMap, future::poll_fn, io, net::SocketAddr, sync::Arc, time::Duration};

use shadowsocks::{
    ProxySocket, config::ServerUser, net::UdpSocket, relay::udprelay::proxy_socket::UdpSocketType,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Identity, Request, Traffic, Tunnel,
    io::PrefixedStream,
    proto::{Address, Command},
};
use tracing::Instrument;

use super::{
    associate::{Handed, STAMPED},
    session::{Inlet, Outlet, session},
};
use crate::{
    keys::Keys,
    receive::{Received, poll_receive},
    window::Window,
};

/// How many sessions there may be. What would need one more is dropped.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In all.
    pub sessions: usize,
    /// Of one user.
    pub per_user: usize,
}

impl Default for Bounds {
    /// 1,024 in all and 128 of each user.
    fn default() -> Self {
        Self {
            sessions: 1_024,
            per_user: 128,
        }
    }
}

/// A session that was refused or has broken is tried again with the next datagram after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// Serves the datagrams of shadowsocks' clients that come to `socket`, until it is dropped, and all sessions with it.
///
/// Each session of a user becomes a request for UDP ASSOCIATE to `dial`, at the bottom of which
/// [`Sessions`](super::Sessions) executes it. A datagram that was sent before is dropped, and so is one that has no
/// user's key, at the cost of one decryption.
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
    let mut server = Datagrams {
        socket: Arc::new(socket),
        local,
        bounds,
        dial,
        known: HashMap::new(),
        running: JoinSet::new(),
    };
    loop {
        let socket = Arc::clone(&server.socket);
        let received = poll_fn(|cx| poll_receive(&socket, cx, |datagram| server.take(datagram)));
        if let Err(error) = received.await {
            tracing::warn!(%error, "receiving datagrams");
            sleep(AGAIN).await;
        }
        while server.running.try_join_next().is_some() {}
    }
}

/// The user, by the hash of the key, and the number that the client has given to the session.
type Name = (bytes::Bytes, u64);

struct Datagrams<S> {
    socket: Arc<ProxySocket<UdpSocket>>,
    local: SocketAddr,
    bounds: Bounds,
    dial: S,
    known: HashMap<Name, Known>,
    running: JoinSet<()>,
}

/// A session, for as long as one of its datagrams could be sent again.
struct Known {
    window: Window,
    heard: Instant,
    opened: Instant,
    inlet: Inlet,
}

impl<S> Datagrams<S>
where
    S: Service<Request, Response: Tunnel, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
{
    fn take(&mut self, datagram: Received<'_>) {
        let Some(user) = datagram.control.user.clone() else {
            return; // never: the keys of a server are those of users
        };
        let session = datagram.control.client_session_id;
        let name = (user.clone_identity_hash(), session);
        let now = Instant::now();
        if let Some(known) = self.known.get_mut(&name) {
            if !known.window.take(datagram.control.packet_id) {
                return;
            }
            known.heard = now;
            if !known.inlet.is_closed() {
                known.inlet.push(datagram);
            } else if now >= known.opened + AGAIN {
                known.opened = now;
                let (inlet, outlet) = self::session(self.socket.clone(), user.clone(), &datagram);
                inlet.push(datagram);
                known.inlet = inlet;
                self.open(&user, outlet);
            }
            return;
        }
        if !self.has_room(&name.0, now) {
            tracing::debug!(user = user.name(), "too many sessions");
            return;
        }
        let mut window = Window::new();
        window.take(datagram.control.packet_id);
        let (inlet, outlet) = self::session(self.socket.clone(), user.clone(), &datagram);
        inlet.push(datagram);
        let known = Known {
            window,
            heard: now,
            opened: now,
            inlet,
        };
        self.known.insert(name, known);
        self.open(&user, outlet);
    }

    /// Whether a user may have another session. Forgets those that have ended once it looks as if there were too many.
    fn has_room(&mut self, user: &[u8], now: Instant) -> bool {
        let Bounds { sessions, per_user } = self.bounds;
        let of_user =
            |known: &HashMap<Name, Known>| known.keys().filter(|name| name.0 == user).count();
        let is_full = |known: &_| HashMap::len(known) >= sessions || of_user(known) >= per_user;
        if is_full(&self.known) {
            self.known
                .retain(|_, known| !known.inlet.is_closed() || now < known.heard + STAMPED);
        }
        !is_full(&self.known)
    }

    /// Sends the session through the stack, and has its tunnel run.
    fn open(&mut self, user: &ServerUser, session: Outlet) {
        let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
        request.peer = session.peer();
        request.local = self.local;
        request.identity = Identity::named(user.name());
        request.extensions.insert(Handed::new(session));
        let span = tracing::info_span!("datagrams", peer = %request.peer, user = %request.identity);
        let dial = self.dial.clone();
        let running = async move {
            match run(dial, request).await {
                Ok(Traffic { up, down }) => tracing::info!(up, down, "session ended"),
                Err(error) => tracing::info!(%error, "session ended"),
            }
        };
        self.running.spawn(running.instrument(span));
    }
}

async fn run<S>(dial: S, request: Request) -> Result<Traffic, BoxError>
where
    S: Service<Request, Response: Tunnel, Error: Into<BoxError>>,
{
    let tunnel = dial.oneshot(request).await.map_err(Into::into)?;
    // A tunnel runs on a client's stream. There is none, and nobody looks at it.
    let nothing = tokio::io::join(tokio::io::empty(), tokio::io::sink());
    Ok(tunnel.run(PrefixedStream::new(nothing)).await?)
}
