use std::{future::Future, io};

use crate::{io::ClientStream, proto::Address, relay::Traffic};

/// A request carried out: to a proxy's response what the body is to an HTTP response.
///
/// The handshake asks [`bound`](Self::bound), writes the reply, and then gives the client's stream
/// to [`run`](Self::run), which moves bytes until it is done. A layer that has to see or hold
/// something for that long (a permit, a counter, a bandwidth bucket) wraps the tunnel:
///
/// ```
/// use std::io;
/// use tower_socks::{Traffic, Tunnel, io::ClientStream, proto::Address};
///
/// struct Held<T> {
///     tunnel: T,
///     permit: tokio::sync::OwnedSemaphorePermit,
/// }
///
/// impl<T: Tunnel> Tunnel for Held<T> {
///     fn bound(&self) -> Address {
///         self.tunnel.bound()
///     }
///
///     async fn run<W: ClientStream>(self, client: W) -> io::Result<Traffic> {
///         let traffic = self.tunnel.run(client).await;
///         drop(self.permit); // free again once the last byte has moved
///         traffic
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tunnel",
    note = "the service at the bottom of the stack answers a `Request` with a `Tunnel`, as \
            `Connector::direct()` does"
)]
pub trait Tunnel: Sized + Send {
    /// BND.ADDR and BND.PORT of the first reply (RFC 1928 section 6).
    fn bound(&self) -> Address;

    /// Moves bytes between the client and the target until both are done.
    ///
    /// Called once, right after the reply is out. Bytes that the client sent before it are the
    /// first that `client` yields.
    ///
    /// # Errors
    ///
    /// When the tunnel broke off. [`RelayError`](crate::relay::RelayError) inside the error tells
    /// how many bytes had passed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes both ends; bytes in flight are lost.
    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send;
}
