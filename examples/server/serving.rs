//! The servers of all doors, which share limits and end together.

use std::{io, pin::Pin};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tower::{Layer, Service, ServiceBuilder};
use tower_socks::{
    BoxError,
    io::{Keepalive, PrefixedStream, TlsStream},
    layer::{metrics::SessionMetricsLayer, tls::TlsLayer},
    relay::Traffic,
    serve,
    server::{AcceptService, Listener, Serve},
    session::Accepted,
};

use crate::{
    certified,
    listen::{Door, Socket, Sockets, Tls},
    settings::Settings,
    shared::Shared,
    signals::Phase,
    stack,
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

/// The servers of all doors. Each has an accept loop, which a reload has retire: its sessions go on.
pub(crate) struct Servers {
    stop: watch::Receiver<Phase>,
    running: JoinSet<Result<(), BoxError>>,
    /// Those that accept connections retire when this goes.
    accepting: watch::Sender<()>,
}

impl Servers {
    pub(crate) fn new(stop: watch::Receiver<Phase>) -> Self {
        Self {
            stop,
            running: JoinSet::new(),
            accepting: watch::Sender::new(()),
        }
    }

    /// Accepts connections at these doors with another stack, and has those retire that do so now.
    ///
    /// # Errors
    ///
    /// Descriptors have run out. Those that accept connections go on then.
    pub(crate) fn change(
        &mut self,
        settings: &Settings,
        shared: &Shared,
        sockets: &Sockets,
    ) -> Result<(), BoxError> {
        let accepting = watch::Sender::new(());
        let mut loops = AcceptLoops {
            settings,
            shared,
            sockets: sockets.duplicates()?.into_iter().map(Some).collect(),
            stop: &self.stop,
            retired: accepting.subscribe(),
            servers: Vec::new(),
        };
        stack::start(settings, shared, &mut loops)?;
        for server in loops.servers {
            self.running.spawn(server);
        }
        self.accepting = accepting;
        Ok(())
    }

    /// Waits until one fails, or until all have ended after the signal to stop.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn ended(&mut self) -> Result<(), BoxError> {
        loop {
            match self.running.join_next().await {
                Some(ended) => ended??,
                None => return Ok(()),
            }
        }
    }
}

type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// Accept loops that are about to start, and retire together.
pub(crate) struct AcceptLoops<'a> {
    settings: &'a Settings,
    shared: &'a Shared,
    /// A duplicate for each door.
    sockets: Vec<Option<Socket>>,
    stop: &'a watch::Receiver<Phase>,
    retired: watch::Receiver<()>,
    servers: Vec<Running>,
}

impl AcceptLoops<'_> {
    /// Starts one, at the door of this place in the settings.
    pub(crate) fn start<S>(&mut self, place: usize, door: &Door, stack: S) -> io::Result<()>
    where
        S: Serves<TcpStream>
            + Serves<UnixStream>
            + Serves<PrefixedStream<TcpStream>>
            + Serves<PrefixedStream<UnixStream>>
            + Serves<TlsStream>,
    {
        let config = self.settings.tls.get(place).cloned().flatten();
        let limit = self.settings.fixed.timeouts.handshake.0;
        let tls = config.map(|config| TlsLayer::new(config).deadline(limit));
        match self.sockets.get_mut(place).and_then(Option::take) {
            Some(Socket::Tcp(listener)) => {
                let listener = TcpListener::from_std(listener)?;
                self.open(listener, door, tls, stack);
            }
            Some(Socket::Unix(listener)) => {
                let listener = UnixListener::from_std(listener)?;
                self.open(listener, door, tls, stack);
            }
            None => {}
        }
        Ok(())
    }

    /// Puts the stack behind a header of the PROXY protocol and behind TLS, where the door has them. Each has its type:
    /// nothing is put into a box, and plain sockets stay what they are for the relay.
    fn open<L, S>(&mut self, listener: L, door: &Door, tls: Option<TlsLayer>, stack: S)
    where
        L: Keep,
        S: Serves<L::Io> + Serves<PrefixedStream<L::Io>> + Serves<TlsStream>,
    {
        let limit = self.settings.fixed.timeouts.handshake.0;
        let headers = door.headers.as_ref().map(|headers| headers.layer(limit));
        // Below the header: a load balancer that looks whether somebody is here is no session.
        let recorded = self.shared.records.sessions(&door.to_string());
        let sessions = (SessionMetricsLayer::new(), recorded);
        match (headers, tls) {
            (None, None) => self.serve(listener, sessions.layer(stack)),
            (Some(headers), None) => {
                self.serve(listener, headers.layer(sessions.layer(stack)));
            }
            (None, Some(tls)) => {
                let stack = secured(tls, door, stack);
                self.serve(listener, sessions.layer(stack));
            }
            (Some(headers), Some(tls)) => {
                let stack = secured(tls, door, stack);
                self.serve(listener, headers.layer(sessions.layer(stack)));
            }
        }
    }

    fn serve<L, S>(&mut self, listener: L, stack: S)
    where
        L: Keep,
        S: AcceptService<L::Io>,
    {
        let timeouts = &self.settings.fixed.timeouts;
        let (mut stop, mut retired) = (self.stop.clone(), self.retired.clone());
        let (mut stopped, in_force) = (stop.clone(), self.shared.in_force());
        let server = L::keepalive(serve(listener, stack), timeouts.keepalive())
            .sessions(self.shared.limits.sessions())
            .handshakes(self.shared.limits.handshakes())
            .with_graceful_shutdown(async move {
                // Errors mean that who would say so is gone, which is a reason as well.
                tokio::select! {
                    _ = stop.wait_for(|phase| *phase >= Phase::Drained) => {}
                    _ = retired.changed() => {}
                }
            })
            .drain_until(async move {
                _ = stopped.wait_for(|phase| *phase >= Phase::Drained).await;
                let drain = in_force.borrow().timeouts.drain.0;
                sleep(drain).await;
            });
        self.servers.push(server.into_future());
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
