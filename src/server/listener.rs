use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

use crate::{io::Keepalive, proto::unmapped, session::Accepted};

/// The address of a transport that has none.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Accepts connections: a source of them for [`serve`](crate::serve).
///
/// ```
/// use std::{io, net::SocketAddr};
/// use tokio::{io::DuplexStream, sync::mpsc};
/// use tower_socks::{server::Listener, session::Accepted};
///
/// /// Connections from within the process.
/// struct InMemory(mpsc::Receiver<DuplexStream>);
///
/// impl Listener for InMemory {
///     type Io = DuplexStream;
///
///     async fn accept(&mut self, nowhere: SocketAddr) -> io::Result<Accepted<DuplexStream>> {
///         match self.0.recv().await {
///             Some(stream) => Ok(Accepted::new(stream, nowhere, nowhere)),
///             None => std::future::pending().await, // nothing will ever come
///         }
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// The stream of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Prepares the listener. Called once, by [`serve`](crate::serve), before the first connection
    /// is accepted: the time to set options that connections inherit. Returns the address that is
    /// listened on.
    ///
    /// # Errors
    ///
    /// End the server before it begins.
    fn start(&mut self) -> io::Result<SocketAddr> {
        Ok(NOWHERE)
    }

    /// Accepts the next connection. `listening` is what [`start`](Self::start) has returned.
    ///
    /// # Errors
    ///
    /// Are never the end. The server goes on at once where the error is about the connection, and
    /// waits a moment where it is about anything else.
    ///
    /// # Cancel safety
    ///
    /// Required: no connection is lost with a dropped future.
    fn accept(
        &mut self,
        listening: SocketAddr,
    ) -> impl Future<Output = io::Result<Accepted<Self::Io>>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    /// Sets options that connections inherit: one system call instead of one each. They are
    /// TCP_NODELAY, SO_OOBINLINE, so that urgent data is relayed in its place in the stream, and
    /// [keepalive](Keepalive), which [`Serve::keepalive`](super::Serve::keepalive) changes. On Linux as
    /// well: what acknowledges the greeting is the answer to it, and not a segment of its own.
    fn start(&mut self) -> io::Result<SocketAddr> {
        let socket = socket2::SockRef::from(&*self);
        socket.set_tcp_nodelay(true)?;
        socket.set_out_of_band_inline(true)?;
        Keepalive::new().set(&socket)?;
        // Saves a segment each, and is no matter of right or wrong.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&*self, false);
        self.local_addr()
    }

    async fn accept(&mut self, listening: SocketAddr) -> io::Result<Accepted<TcpStream>> {
        let (stream, peer) = Self::accept(self).await?;
        // A listener on one address is reached on that one.
        let local = if listening.ip().is_unspecified() {
            stream.local_addr()?
        } else {
            listening
        };
        Ok(Accepted::new(stream, unmapped(peer), unmapped(local)))
    }
}

/// Connections on a Unix socket have no addresses: both are `0.0.0.0:0`. The peer's process and user
/// are in the extensions, as a [`UCred`](tokio::net::unix::UCred).
#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;

    async fn accept(
        &mut self,
        listening: SocketAddr,
    ) -> io::Result<Accepted<tokio::net::UnixStream>> {
        let (stream, _) = Self::accept(self).await?;
        let peer = stream.peer_cred();
        let mut accepted = Accepted::new(stream, NOWHERE, listening);
        if let Ok(peer) = peer {
            accepted.extensions.insert(peer);
        }
        Ok(accepted)
    }
}
