//! The servers of all doors, which share limits and end together.

use tokio::{sync::watch, task::JoinSet};
use tower_socks::{
    BoxError, serve,
    server::{AcceptService, HandshakeLimit, Listener, Serve, SessionLimit},
};

use crate::{
    listen::{Socket, SocketFile},
    signals::{self, Phase},
    state::Fixed,
};

/// Starts servers.
pub(crate) struct Serving {
    sessions: SessionLimit,
    handshakes: HandshakeLimit,
    fixed: Fixed,
    stop: watch::Receiver<Phase>,
    servers: JoinSet<Result<(), BoxError>>,
}

impl Serving {
    pub(crate) fn new(fixed: &Fixed, stop: watch::Receiver<Phase>) -> Self {
        Self {
            sessions: fixed.limits.sessions(),
            handshakes: fixed.limits.handshakes(),
            fixed: fixed.clone(),
            stop,
            servers: JoinSet::new(),
        }
    }

    /// Serves with `stack` at a socket.
    pub(crate) fn spawn<S>(&mut self, socket: Socket, stack: S)
    where
        S: AcceptService<tokio::net::TcpStream> + AcceptService<tokio::net::UnixStream>,
    {
        match socket {
            Socket::Tcp(listener) => {
                let server = serve(listener, stack).keepalive(self.fixed.timeouts.keepalive());
                self.start(server, None);
            }
            Socket::Unix(listener, file) => self.start(serve(listener, stack), file),
        }
    }

    fn start<L, S>(&mut self, server: Serve<L, S>, file: Option<SocketFile>)
    where
        L: Listener,
        S: AcceptService<L::Io>,
    {
        let mut stop = self.stop.clone();
        let server = server
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
