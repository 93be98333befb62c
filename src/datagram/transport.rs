use std::{
    io,
    task::{Context, Poll},
};

use super::Datagrams;

/// Where the datagrams of an association go and come from: for UDP what
/// [`Tunnel`](crate::session::Tunnel)'s far stream is for TCP.
///
/// The response of a service for UDP ASSOCIATE. The connector's own sends from sockets of this
/// machine; one that talks to another proxy is one as well. A layer that counts, filters, throttles
/// or taps datagrams wraps it:
///
/// ```
/// use std::{io, task::{Context, Poll}};
/// use tower_socks::datagram::{DatagramTransport, Datagrams};
///
/// /// Lets nothing pass that is larger than a limit.
/// struct Small<P>(P, usize);
///
/// impl<P: DatagramTransport> DatagramTransport for Small<P> {
///     fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
///         out.retain(|_, payload| payload.len() <= self.1);
///         self.0.poll_send(cx, out)
///     }
///
///     fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
///         self.0.poll_recv(cx, into)
///     }
/// }
/// ```
pub trait DatagramTransport: Send + 'static {
    /// Sends what is in `out` and takes it out. Ready once `out` is empty.
    ///
    /// A datagram that cannot go (an unreachable, forbidden or unknown destination, too large) is
    /// taken out like any other. Nobody is told, as RFC 1928 section 7 has it.
    ///
    /// # Errors
    ///
    /// When the path as a whole is broken. The association ends.
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>>;

    /// Puts datagrams that have arrived into `into`, each with its source. Ready once there is at
    /// least one.
    ///
    /// # Errors
    ///
    /// When the path as a whole is broken. The association ends.
    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>>;
}
