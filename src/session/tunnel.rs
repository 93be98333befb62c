use std::{future::Future, io};

use crate::{io::ClientStream, proto::Address, relay::Traffic};

/// Moves the bytes of an executed request: to a proxy's response what the body is to an HTTP response.
///
/// The handshake asks [`bound`](Self::bound), writes the reply, and then gives the client's stream
/// to [`run`](Self::run), which moves bytes until both directions have ended. A layer that has to see or hold
/// something for that long (a permit, a counter, a bandwidth) wraps the tunnel.
/// [`TunnelExt`](super::TunnelExt) has the usual wrappers; one of your own names no stream and
/// needs no box:
///
/// ```
/// use std::io;
/// use tower_socks::{Traffic, Tunnel, io::ClientStream, proto::Address};
///
/// /// Ends with an error if more than so many octets came from the target.
/// struct Capped<T>(T, u64);
///
/// impl<T: Tunnel> Tunnel for Capped<T> {
///     fn bound(&self) -> Address {
///         self.0.bound()
///     }
///
///     async fn run<W: ClientStream>(self, client: W) -> io::Result<Traffic> {
///         match self.0.run(client).await? {
///             Traffic { down, .. } if down > self.1 => Err(io::Error::other("too much")),
///             traffic => Ok(traffic),
///         }
///     }
/// }
/// # let tunnel = Capped(tower_socks::session::Connected::new(tokio::io::empty(), Address::UNSPECIFIED), 1);
/// # assert_eq!(tunnel.bound(), Address::UNSPECIFIED);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tunnel",
    note = "the service at the bottom of the stack turns a `Request` into a `Tunnel`, as \
            `Connector::direct()` does"
)]
pub trait Tunnel: Sized + Send {
    /// Returns BND.ADDR and BND.PORT of the first reply (RFC 1928 section 6).
    fn bound(&self) -> Address;

    /// Moves bytes between the client and the target until both directions have ended.
    ///
    /// Called once, right after the reply is out. Bytes that the client sent before it are the
    /// first that `client` yields.
    ///
    /// # Errors
    ///
    /// When a direction failed. [`RelayError`](crate::relay::RelayError) inside the error has the bytes
    /// that were moved before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes both ends; bytes in flight are lost.
    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send;
}
