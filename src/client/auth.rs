//! Authentication as a client: the trait, what the crate has, and pairs.

use std::{future::Future, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    error::{AuthError, BoxError},
    io::{Join, Sealing, read_message},
    proto::{Command, Credentials, Decode, Method, MethodSet, UserPassStatus},
};

/// Authenticates to a proxy by one or more methods (RFC 1928 section 3): the client's counterpart of
/// [`Authenticate`](crate::layer::auth::Authenticate).
///
/// [`Client`](super::Client) sends the greeting and checks the selection. The sub-negotiation that
/// follows, most often one message and its answer, is done here:
///
/// ```
/// use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
/// use tower_socks::{
///     BoxError,
///     client::{Client, ClientAuth},
///     error::AuthError,
///     io::Sealing,
///     proto::{Command, Method, MethodSet},
/// };
///
/// /// A token of four octets; the answer is one octet, zero for success.
/// struct Token([u8; 4]);
///
/// impl<Io: AsyncRead + AsyncWrite + Unpin + Send> ClientAuth<Io> for Token {
///     type Stream = Io;
///
///     fn methods(&self) -> MethodSet {
///         Method(0x80).into()
///     }
///
///     fn first_message(&self, _: Method) -> Vec<u8> {
///         self.0.to_vec()
///     }
///
///     async fn finish(&self, _: Method, _: Command, mut io: Io) -> Result<(Io, Sealing), BoxError> {
///         match io.read_u8().await? {
///             0 => Ok((io, Sealing::Clear)),
///             _ => Err(AuthError::Denied.into()),
///         }
///     }
/// }
///
/// let client = Client::with(Token(*b"1234"));
/// # _ = client;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authenticate to a proxy over a `{Io}`",
    note = "`Client::with` takes `Credentials`, `DefaultAuth`, a pair of methods, or a type of yours \
            that implements `ClientAuth<Io>` for every `Io: AsyncRead + AsyncWrite + Unpin + Send`"
)]
pub trait ClientAuth<Io>: Send + Sync {
    /// The stream behind the sub-negotiation: `Io` itself, or one that encapsulates it. Request and
    /// reply go over it already. What protects datagrams is said by [`finish`](Self::finish).
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;

    /// The methods that the greeting offers. The proxy selects one of them, or none.
    fn methods(&self) -> MethodSet;

    /// The first message of the sub-negotiation of `method`, sent as soon as the proxy has selected
    /// it. Empty where the proxy speaks first, or where there is no sub-negotiation.
    fn first_message(&self, method: Method) -> Vec<u8>;

    /// Finishes the sub-negotiation after the first message: reads what the proxy answers, and
    /// exchanges further messages if the method has any. `command` is that of the request which follows, and CONNECT
    /// where none does.
    ///
    /// Returns the stream behind it, and what protects the datagrams of UDP ASSOCIATE, which travel beside it: a method that
    /// encapsulates the stream seals them as well, or says that it cannot, and then there are none.
    ///
    /// Must not read beyond the end of the sub-negotiation. [`Client::timeout`] bounds the time.
    ///
    /// # Errors
    ///
    /// [`AuthError::Denied`] where the proxy denies access; anything else where it closed the
    /// connection or sent garbage. The connection is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    ///
    /// [`Client::timeout`]: super::Client::timeout
    fn finish(
        &self,
        method: Method,
        command: Command,
        io: Io,
    ) -> impl Future<Output = Result<(Self::Stream, Sealing), BoxError>> + Send;

    /// The method whose messages may be sent early, before the proxy has selected it, for
    /// [`Client::optimistic`](super::Client::optimistic): one for which [`finish`](Self::finish) writes
    /// nothing and changes nothing about the stream. With none, as by default, an optimistic client
    /// is sequential all the same.
    fn early(&self) -> Option<Method> {
        None
    }
}

/// Offers X'00' no authentication, and X'02' username/password too once there are credentials: the
/// methods of [`Client::new`](super::Client::new).
#[derive(Clone, Debug, Default)]
pub struct DefaultAuth {
    credentials: Option<Arc<Credentials>>,
}

impl DefaultAuth {
    /// Offers no authentication alone.
    #[must_use]
    pub const fn new() -> Self {
        Self { credentials: None }
    }

    /// Offers username/password as well, for the proxy to select.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }
}

impl<Io> ClientAuth<Io> for DefaultAuth
where
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    type Stream = Io;

    fn methods(&self) -> MethodSet {
        let credentials = self.credentials.as_ref();
        let password = credentials.map(|_| Method::USERNAME_PASSWORD);
        password
            .into_iter()
            .chain([Method::NO_AUTHENTICATION])
            .collect()
    }

    fn first_message(&self, method: Method) -> Vec<u8> {
        match &self.credentials {
            Some(credentials) if method == Method::USERNAME_PASSWORD => {
                credentials.encode().to_vec()
            }
            _ => Vec::new(),
        }
    }

    async fn finish(
        &self,
        method: Method,
        _: Command,
        mut io: Io,
    ) -> Result<(Io, Sealing), BoxError> {
        if method == Method::USERNAME_PASSWORD {
            read_status(&mut io).await?;
        }
        Ok((io, Sealing::Clear))
    }

    // The greeting of an optimistic client offers one method: with credentials, the one that uses them.
    fn early(&self) -> Option<Method> {
        Some(match self.credentials {
            Some(_) => Method::USERNAME_PASSWORD,
            None => Method::NO_AUTHENTICATION,
        })
    }
}

/// Offers X'02' alone (RFC 1929): a proxy that does not ask for the password is not used.
impl<Io> ClientAuth<Io> for Credentials
where
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    type Stream = Io;

    fn methods(&self) -> MethodSet {
        Method::USERNAME_PASSWORD.into()
    }

    fn first_message(&self, _: Method) -> Vec<u8> {
        self.encode().to_vec()
    }

    async fn finish(&self, _: Method, _: Command, mut io: Io) -> Result<(Io, Sealing), BoxError> {
        read_status(&mut io).await?;
        Ok((io, Sealing::Clear))
    }

    fn early(&self) -> Option<Method> {
        Some(Method::USERNAME_PASSWORD)
    }
}

/// Reads the proxy's answer to a name and a password.
async fn read_status<Io: AsyncRead + Unpin>(io: &mut Io) -> Result<(), BoxError> {
    match read_message(io, &mut [0; UserPassStatus::MAX_LEN]).await? {
        UserPassStatus::SUCCESS => Ok(()),
        UserPassStatus(_) => Err(AuthError::Denied.into()),
    }
}

/// Offers the methods of both, and the proxy selects. A method that both have is the first one's.
/// Pairs nest for more than two.
///
/// Their streams are of one type, or [joined](Join) in a box.
impl<Io, A, B> ClientAuth<Io> for (A, B)
where
    Io: Send,
    A: ClientAuth<Io>,
    B: ClientAuth<Io>,
    A::Stream: Join<B::Stream, Stream: AsyncRead + AsyncWrite + Unpin + Send>,
{
    type Stream = <A::Stream as Join<B::Stream>>::Stream;

    fn methods(&self) -> MethodSet {
        let (a, b) = (self.0.methods(), self.1.methods());
        a.iter().chain(b.iter()).collect()
    }

    fn first_message(&self, method: Method) -> Vec<u8> {
        match self.0.methods().contains(method) {
            true => self.0.first_message(method),
            false => self.1.first_message(method),
        }
    }

    async fn finish(
        &self,
        method: Method,
        command: Command,
        io: Io,
    ) -> Result<(Self::Stream, Sealing), BoxError> {
        if self.0.methods().contains(method) {
            let (stream, sealing) = self.0.finish(method, command, io).await?;
            Ok((stream.first(), sealing))
        } else {
            let (stream, sealing) = self.1.finish(method, command, io).await?;
            Ok((<A::Stream as Join<B::Stream>>::second(stream), sealing))
        }
    }

    fn early(&self) -> Option<Method> {
        self.0.early().or_else(|| self.1.early())
    }
}
