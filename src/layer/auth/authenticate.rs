use std::future::Future;

use crate::{
    error::BoxError,
    io::ClientStream,
    proto::{Method, MethodSet},
    session::Identity,
};

/// One or more authentication methods (RFC 1928 section 3).
///
/// A method of your own takes a number from X'80' to X'FE' and speaks with the client as it likes:
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower_socks::{
///     Authenticate, BoxError, Identity, ClientStream,
///     error::AuthError,
///     proto::{Method, MethodSet},
/// };
///
/// /// A token of four octets; the answer is one octet, zero for "come in".
/// struct Token([u8; 4]);
///
/// impl<Io: ClientStream> Authenticate<Io> for Token {
///     type Stream = Io;
///
///     fn select(&self, offered: &MethodSet) -> Option<Method> {
///         Some(Method(0x80)).filter(|method| offered.contains(*method))
///     }
///
///     async fn authenticate(&self, _: Method, mut io: Io) -> Result<(Io, Identity), BoxError> {
///         let mut token = [0; 4];
///         io.read_exact(&mut token).await?;
///         // A real one compares in constant time.
///         if token != self.0 {
///             io.write_all(&[1]).await?;
///             tower_socks::io::lingering_close(io).await;
///             return Err(AuthError::Denied.into());
///         }
///         io.write_all(&[0]).await?;
///         Ok((io, Identity::named("token")))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authenticate clients on a `{Io}`",
    note = "`AuthLayer::new` takes `NoAuth`, `UserPass`, a tuple of methods in order of \
            preference, or a type of yours that implements `Authenticate<Io>` for every \
            `Io: ClientStream`"
)]
pub trait Authenticate<Io>: Send + Sync {
    /// The stream behind the sub-negotiation: `Io` itself, or one that encapsulates it.
    type Stream: ClientStream;

    /// The method to use with a client that offers these, or `None` to turn it away. A method that
    /// was not offered turns it away as well.
    fn select(&self, offered: &MethodSet) -> Option<Method>;

    /// Finds out who the client is, right behind the method selection, which is already written.
    ///
    /// Writes the failure answer itself, if the method has one. The deadline of the handshake
    /// bounds the time.
    ///
    /// # Errors
    ///
    /// [`AuthError::Denied`](crate::error::AuthError::Denied) where the client could not prove who
    /// it is, [`AuthError::Verifier`](crate::error::AuthError::Verifier) where nobody could tell,
    /// and anything else where the client left or sent garbage. The connection is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    fn authenticate(
        &self,
        method: Method,
        io: Io,
    ) -> impl Future<Output = Result<(Self::Stream, Identity), BoxError>> + Send;
}
