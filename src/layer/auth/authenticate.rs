use std::future::Future;

use crate::{
    error::BoxError,
    io::ClientStream,
    proto::Method,
    session::{Identity, Negotiation},
};

/// Authenticates clients by one or more methods (RFC 1928 section 3).
///
/// A method sees the whole [`Negotiation`]: the client's address, the address on which it reached us,
/// and what layers above learned, such as a TLS certificate or a PROXY header. So it can be asked for
/// only where that is needed:
///
/// ```
/// use tower_socks::{
///     BoxError, Identity, NoAuth, io::ClientStream, layer::auth::Authenticate, proto::Method,
///     session::Negotiation,
/// };
///
/// /// Lets clients of 10.0.0.0/8 in without a password, and asks the others.
/// struct OfficeOr<A>(A);
///
/// fn in_office<Io>(negotiation: &Negotiation<Io>) -> bool {
///     matches!(negotiation.peer.ip().to_canonical(), std::net::IpAddr::V4(ip) if ip.octets()[0] == 10)
/// }
///
/// impl<Io: ClientStream, A: Authenticate<Io, Stream = Io>> Authenticate<Io> for OfficeOr<A> {
///     type Stream = Io;
///
///     fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
///         match NoAuth.select(negotiation) {
///             Some(method) if in_office(negotiation) => Some(method),
///             _ => self.0.select(negotiation),
///         }
///     }
///
///     async fn authenticate(
///         &self,
///         method: Method,
///         negotiation: Negotiation<Io>,
///     ) -> Result<(Io, Identity), BoxError> {
///         if method == Method::NO_AUTHENTICATION && in_office(&negotiation) {
///             return Ok((negotiation.io, Identity::named("office")));
///         }
///         self.0.authenticate(method, negotiation).await
///     }
/// }
/// # let office = OfficeOr(tower_socks::UserPass::new(tower_socks::Users::default()));
/// # let at = |peer: [u8; 4]| {
/// #     let io = tower_socks::io::PrefixedStream::new(tokio::io::duplex(1).0);
/// #     let offered = [Method::NO_AUTHENTICATION, Method::USERNAME_PASSWORD].into_iter().collect();
/// #     Negotiation::new(io, offered, (peer, 50000).into(), ([10, 0, 0, 1], 1080).into())
/// # };
/// # assert_eq!(office.select(&at([10, 1, 2, 3])), Some(Method::NO_AUTHENTICATION));
/// # assert_eq!(office.select(&at([192, 0, 2, 1])), Some(Method::USERNAME_PASSWORD));
/// ```
///
/// What a method learns beyond a name goes into [`Identity::extensions_mut`], and reaches services as
/// `request.identity.extensions()`.
///
/// A method of your own takes a number from X'80' to X'FE' and defines its own sub-negotiation:
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower_socks::{
///     BoxError, Identity, error::AuthError, io::ClientStream, layer::auth::Authenticate,
///     proto::Method, session::Negotiation,
/// };
///
/// /// A token of four octets; the server's message is one octet, zero for success.
/// struct Token([u8; 4]);
///
/// impl<Io: ClientStream> Authenticate<Io> for Token {
///     type Stream = Io;
///
///     fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
///         Some(Method(0x80)).filter(|method| negotiation.offered.contains(*method))
///     }
///
///     async fn authenticate(
///         &self,
///         _: Method,
///         Negotiation { mut io, .. }: Negotiation<Io>,
///     ) -> Result<(Io, Identity), BoxError> {
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

    /// Selects one of the methods that the client [offers](Negotiation::offered). `None`, or a method
    /// that was not offered, rejects the client with X'FF'.
    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method>;

    /// Authenticates the client, right behind the method selection, which is already written.
    ///
    /// Writes the failure message itself, if the method has one. The deadline of the handshake
    /// bounds the time.
    ///
    /// # Errors
    ///
    /// [`AuthError::Denied`](crate::error::AuthError::Denied) where the client could not prove who
    /// it is, [`AuthError::Verifier`](crate::error::AuthError::Verifier) where nobody could tell,
    /// and anything else where the client left or sent garbage. A
    /// [`FailedAttempt`](crate::error::FailedAttempt) around it says under which name. The connection
    /// is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    fn authenticate(
        &self,
        method: Method,
        negotiation: Negotiation<Io>,
    ) -> impl Future<Output = Result<(Self::Stream, Identity), BoxError>> + Send;
}
