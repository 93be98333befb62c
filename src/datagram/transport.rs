use std::{
    io,
    task::{Context, Poll},
};

use super::{Datagrams, FilterResult, FilterTransport};
use crate::{io::Direction, proto::Address};

/// Sends and receives the datagrams of an association: for UDP what
/// [`Tunnel`](crate::session::Tunnel)'s far stream is for TCP.
///
/// The response of a service for UDP ASSOCIATE. The connector's own sends from sockets of this
/// machine; one that talks to another proxy is one as well. A layer that taps, changes or throttles
/// datagrams wraps it; one that only drops some of them calls [`filter`](Self::filter).
///
/// ```
/// use std::{io, task::{Context, Poll, ready}};
/// use tower_socks::datagram::{DatagramTransport, Datagrams};
///
/// /// Logs every datagram.
/// struct Logged<T>(T);
///
/// impl<T: DatagramTransport> DatagramTransport for Logged<T> {
///     fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
///         for (destination, payload) in out.iter() {
///             tracing::debug!(%destination, bytes = payload.len());
///         }
///         self.0.poll_send(cx, out)
///     }
///
///     fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
///         ready!(self.0.poll_recv(cx, into))?;
///         for (source, payload) in into.iter() {
///             tracing::debug!(%source, bytes = payload.len());
///         }
///         Poll::Ready(Ok(()))
///     }
/// }
/// ```
///
/// (A datagram that has to wait for room is sent by a later call, and so logged once more.)
pub trait DatagramTransport: Send + 'static {
    /// Sends the datagrams in `out` and takes them out. Ready once all are sent or dropped.
    ///
    /// While it is pending, what has not been sent is in `out` or with the transport, and the
    /// caller comes back with the same batch, even if that is empty by then.
    ///
    /// A datagram that cannot be sent (an unreachable, forbidden or unknown destination, too large)
    /// is taken out like any other. No error is sent to anybody, as RFC 1928 section 7 has it.
    ///
    /// # Errors
    ///
    /// When the transport as a whole is broken. The association ends.
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>>;

    /// Puts datagrams that have arrived into `into`, each with its source; `into` is empty when
    /// this is called. Ready once there is at least one: an implementation that drops all that it
    /// has received goes on receiving.
    ///
    /// # Errors
    ///
    /// When the transport as a whole is broken. The association ends.
    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>>;

    /// Drops the datagrams for which `filter` returns `false`, in both directions.
    ///
    /// The closure is called once for each datagram, with its destination ([`Direction::Up`]) or
    /// source ([`Direction::Down`]) and its payload. It may return `Result<(), DropReason>` in
    /// place of `bool`, to tell the [meters](crate::io::Meter) of the association a reason other
    /// than [`DropReason::Other`](crate::io::DropReason::Other). The [room's page](super) has it in
    /// a stack.
    ///
    /// A destination may be a name, and is what the client wrote: an address in any notation is
    /// made canonical behind the filter. To allow or deny destinations is the business of a
    /// [policy](crate::session::Policy), which is asked about every address.
    ///
    /// ```
    /// use tower_socks::{datagram::DatagramTransport, io::{Direction, DropReason}};
    ///
    /// fn small_and_no_dns<T: DatagramTransport>(transport: T) -> impl DatagramTransport {
    ///     transport.filter(|direction, address, payload| match direction {
    ///         Direction::Up if address.port() == 53 => Err(DropReason::Refused),
    ///         _ if payload.len() > 1_200 => Err(DropReason::Other),
    ///         _ => Ok(()),
    ///     })
    /// }
    /// ```
    fn filter<F, R>(self, filter: F) -> FilterTransport<Self, F>
    where
        Self: Sized,
        F: FnMut(Direction, &Address, &[u8]) -> R,
        R: FilterResult,
    {
        FilterTransport::new(self, filter)
    }
}

/// For transports of several types in one place: through upstreams of several protocols, by rules or by failover.
///
/// ```
/// use tower::{ServiceExt, util::BoxCloneSyncService};
/// use tower_socks::{
///     Connector, Request, BoxError, connector::associate::{Associate, MakeDirect},
///     connector::upstream::{Socks4Upstream, Socks5Upstream}, datagram::DatagramTransport,
/// };
///
/// type Transports = BoxCloneSyncService<Request, Box<dyn DatagramTransport>, BoxError>;
///
/// fn transports(scheme: &str, proxy: &str) -> Transports {
///     fn boxed(transport: impl DatagramTransport) -> Box<dyn DatagramTransport> {
///         Box::new(transport)
///     }
///     match scheme {
///         "socks5" => {
///             let upstream = Socks5Upstream::new(proxy);
///             BoxCloneSyncService::new(upstream.into_transports().map_response(boxed))
///         }
///         _ => {
///             let upstream = Socks4Upstream::new(proxy);
///             BoxCloneSyncService::new(upstream.into_transports().map_response(boxed))
///         }
///     }
/// }
///
/// let associate = Associate::with_transports(transports("socks4a", "proxy.example:1080"));
/// let connector = Connector::direct().with_associate(associate);
/// # _ = connector;
/// ```
impl<T: DatagramTransport + ?Sized> DatagramTransport for Box<T> {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        (**self).poll_send(cx, out)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        (**self).poll_recv(cx, into)
    }
}
