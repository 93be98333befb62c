//! The servers of all doors, which share limits and end together.

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use tower::{Layer, Service, ServiceBuilder};
use tower_socks::{
    BoxError,
    io::{Keepalive, PrefixedStream, TlsStream},
    layer::{metrics::SessionMetricsLayer, record::Recorder, tls::TlsLayer},
    relay::Traffic,
    serve,
    server::{AcceptService, HandshakeLimit, Listener, Serve, SessionLimit},
    session::Accepted,
};

use crate::{
    certified,
    limits::InForce,
    listen::{Door, Socket, SocketFile, Tls},
    settings::Fixed,
    signals::{self, Phase},
};

/// Serves the clients of a door, once it is known who they are and they speak in clear: the protocols that the door
/// takes, over the stack of all doors.
pub(crate) trait Serves<Io>:
    Service<Accepted<Io>, Response = Traffic, Error = BoxError, Future: Send> + Clone + Send + 'static
{
}

impl<S, Io> Serves<Io> for S where
    S: Service<Accepted<Io>, Response = Traffic, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Sets what only TCP has.
trait Keep: Listener + Sized {
    fn keepalive<S>(server: Serve<Self, S>, _: Keepalive) -> Serve<Self, S> {
        server
    }
}

impl Keep for UnixListener {}

impl Keep for TcpListener {
    fn keepalive<S>(server: Serve<Self, S>, keepalive: Keepalive) -> Serve<Self, S> {
        server.keepalive(keepalive)
    }
}

/// Starts servers.
pub(crate) struct Serving {
    sessions: SessionLimit,
    handshakes: HandshakeLimit,
    recorder: Recorder,
    fixed: Fixed,
    stop: watch::Receiver<Phase>,
    servers: JoinSet<Result<(), BoxError>>,
}

impl Serving {
    pub(crate) fn new(
        fixed: &Fixed,
        limits: &InForce,
        recorder: Recorder,
        stop: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            sessions: limits.sessions(),
            handshakes: limits.handshakes(),
            recorder,
            fixed: fixed.clone(),
            stop,
            servers: JoinSet::new(),
        }
    }

    /// Serves at a door.
    pub(crate) fn spawn<S>(&mut self, socket: Socket, door: &Door, tls: Option<TlsLayer>, stack: S)
    where
        S: Serves<TcpStream>
            + Serves<UnixStream>
            + Serves<PrefixedStream<TcpStream>>
            + Serves<PrefixedStream<UnixStream>>
            + Serves<TlsStream>,
    {
        match socket {
            Socket::Tcp(listener) => self.open(listener, None, door, tls, stack),
            Socket::Unix(listener, file) => self.open(listener, file, door, tls, stack),
        }
    }

    /// Puts the stack behind a header of the PROXY protocol and behind TLS, where the door has them. Each has its type:
    /// nothing is put into a box, and plain sockets stay what they are for the relay.
    fn open<L, S>(
        &mut self,
        listener: L,
        file: Option<SocketFile>,
        door: &Door,
        tls: Option<TlsLayer>,
        stack: S,
    ) where
        L: Keep,
        S: Serves<L::Io> + Serves<PrefixedStream<L::Io>> + Serves<TlsStream>,
    {
        let limit = self.fixed.timeouts.handshake.0;
        let headers = door.headers.as_ref().map(|headers| headers.layer(limit));
        // Below the header: a load balancer that looks whether somebody is here is no session.
        let recorded = self.recorder.sessions().listener(door.to_string());
        let sessions = (SessionMetricsLayer::new(), recorded);
        match (headers, tls) {
            (None, None) => self.start(listener, file, sessions.layer(stack)),
            (Some(headers), None) => {
                self.start(listener, file, headers.layer(sessions.layer(stack)));
            }
            (None, Some(tls)) => {
                let stack = secured(tls, door, stack);
                self.start(listener, file, sessions.layer(stack));
            }
            (Some(headers), Some(tls)) => {
                let stack = secured(tls, door, stack);
                self.start(listener, file, headers.layer(sessions.layer(stack)));
            }
        }
    }

    fn start<L, S>(&mut self, listener: L, file: Option<SocketFile>, stack: S)
    where
        L: Keep,
        S: AcceptService<L::Io>,
    {
        let mut stop = self.stop.clone();
        let server = L::keepalive(serve(listener, stack), self.fixed.timeouts.keepalive())
            .sessions(self.sessions.clone())
            .handshakes(self.handshakes.clone())
            .drain_limit(self.fixed.timeouts.drain.0)
            .with_graceful_shutdown(async move {
                // An error means that the watcher is gone, which is a reason to stop as well.
                _ = stop.wait_for(|phase| *phase >= Phase::Drained).await;
                // Who comes now finds nothing, or what another server has put there.
                drop(file);
            });
        self.servers.spawn(server.into_future());
    }

    /// Waits until all have ended.
    pub(crate) async fn ended(self) -> Result<(), BoxError> {
        signals::ended(self.servers, self.stop).await
    }
}

/// Takes TLS in front of a stack, which learns whom a certificate names.
fn secured<S, Io>(
    tls: TlsLayer,
    door: &Door,
    stack: S,
) -> impl Service<
    Accepted<Io>,
    Response = Traffic,
    Error = BoxError,
    Future = impl Future<Output = Result<Traffic, BoxError>> + Send + use<S, Io>,
>
+ Clone
+ Send
+ 'static
+ use<S, Io>
where
    S: Serves<TlsStream>,
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let identifies = door.tls.as_ref().is_some_and(Tls::identifies);
    let note: fn(Accepted<TlsStream>) -> Accepted<TlsStream> = match identifies {
        true => certified::note,
        false => std::convert::identity,
    };
    ServiceBuilder::new()
        .layer(tls)
        .map_request(note)
        .service(stack)
}
