use std::future::Future;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    error::BoxError,
    proto::{Method, MethodSet},
};

/// A client's side of one or more authentication methods (RFC 1928 section 3): the counterpart of
/// [`Authenticate`](crate::Authenticate).
///
/// [`Client`](super::Client) sends the greeting and checks the selection. What follows, most often
/// one message and its answer, is what is said and heard here:
///
/// ```
/// use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
/// use tower_socks::{
///     BoxError,
///     client::{Client, ClientAuth},
///     error::AuthError,
///     proto::{Method, MethodSet},
/// };
///
/// /// A token of four octets; the answer is one octet, zero for "come in".
/// struct Token([u8; 4]);
///
/// impl<Io: AsyncRead + AsyncWrite + Unpin + Send> ClientAuth<Io> for Token {
///     type Stream = Io;
///
///     fn offers(&self) -> MethodSet {
///         Method(0x80).into()
///     }
///
///     fn say(&self, _: Method) -> Vec<u8> {
///         self.0.to_vec()
///     }
///
///     async fn hear(&self, _: Method, mut io: Io) -> Result<Io, BoxError> {
///         match io.read_u8().await? {
///             0 => Ok(io),
///             _ => Err(AuthError::Denied.into()),
///         }
///     }
/// }
///
/// let client = Client::with(Token(*b"1234"));
/// # _ = client;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot log in to a proxy on a `{Io}`",
    note = "`Client::with` takes `Credentials`, `DefaultAuth`, a pair of methods, or a type of yours \
            that implements `ClientAuth<Io>` for every `Io: AsyncRead + AsyncWrite + Unpin + Send`"
)]
pub trait ClientAuth<Io>: Send + Sync {
    /// The stream behind the sub-negotiation: `Io` itself, or one that encapsulates it. Request and
    /// reply go over it already. Datagrams of UDP ASSOCIATE are not encapsulated.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;

    /// The methods that the greeting offers. The proxy selects one of them, or none.
    fn offers(&self) -> MethodSet;

    /// What the client says right behind the selection of `method`; nothing, if the proxy speaks
    /// first or nobody does.
    fn say(&self, method: Method) -> Vec<u8>;

    /// Hears what the proxy answers, and goes on with the sub-negotiation if it has more to it.
    ///
    /// Must not read further than the sub-negotiation goes. [`Client::timeout`] bounds the time.
    ///
    /// # Errors
    ///
    /// [`AuthError::Denied`](crate::error::AuthError::Denied) where the proxy said no; anything else
    /// where it left or sent garbage. The connection is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    ///
    /// [`Client::timeout`]: super::Client::timeout
    fn hear(
        &self,
        method: Method,
        io: Io,
    ) -> impl Future<Output = Result<Self::Stream, BoxError>> + Send;

    /// The method that [`Client::optimistic`](super::Client::optimistic) goes ahead with: one for
    /// which [`hear`](Self::hear) writes nothing and changes nothing about the stream. With none, as
    /// by default, the client takes turns all the same.
    fn pipelined(&self) -> Option<Method> {
        None
    }
}
