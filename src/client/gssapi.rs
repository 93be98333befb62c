//! Authentication by GSS-API (RFC 1961), from the client's side.

use std::{fmt, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    sync::Semaphore,
};

use super::ClientAuth;
use crate::{
    error::{AuthError, BoxError},
    gssapi::{
        Context, Due, EncapsulatedStream, Establishment, Initiator, ROUNDS, Step, TokenError,
        read_token, write_token,
    },
    io::{BoxStream, ClientStream, ReadError, Sealing},
    proto::{Command, Method, MethodSet, ProtectionLevel},
};

/// Steps of the mechanism at once: a ticket of Kerberos takes a KDC some milliseconds.
const TURNS: usize = 16;

/// Offers GSS-API, X'01' (RFC 1961): with a ticket of Kerberos for instance, in place of a password.
///
/// `I` is an [`Initiator`]: what knows the mechanism, our tickets and the name of the proxy's service. It is asked for mutual
/// authentication, and does not delegate tickets unless it is told to.
///
/// Behind it request, replies, relayed octets and datagrams are encapsulated, at the first of the [levels](Self::levels) that
/// the context can do, or another of them that the proxy prefers. Where it answers with any other level, the connection is closed.
///
/// The proxy sends 8 tokens at most, of 65,535 octets each at most. Steps of the mechanism, which may wait for a KDC,
/// have threads of their own, [so many at once](Self::turns), whatever becomes of the requests that wait for them, and
/// [`Client::timeout`](super::Client::timeout) bounds the wait.
///
/// The stream is boxed. A [`Relay`](crate::relay::Relay) sees through the box at level 0. To offer passwords as well, use a
/// pair: `(Gssapi::new(initiator), DefaultAuth::new())`.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower_socks::{
///     BoxError, Client,
///     client::Gssapi,
///     gssapi::{Context, Establishment, Initiator, Step, Unwrapped},
///     proto::Command,
/// };
///
/// /// Has a ticket that anybody could write. A real one asks the library of the system.
/// #[derive(Clone)]
/// struct Written;
///
/// impl Initiator for Written {
///     type Establishment = Self;
///
///     fn initiate(&self, _: Command) -> Result<Self, BoxError> {
///         Ok(Written)
///     }
/// }
///
/// impl Establishment for Written {
///     type Context = Self;
///
///     fn step(self, token: &[u8]) -> Result<Step<Self>, BoxError> {
///         match token {
///             b"" => Ok(Step::Continue { token: b"joe".to_vec(), next: self }),
///             b"come in" => Ok(Step::Done { token: None, context: self, peer: "proxy".into() }),
///             _ => Err("this is not the proxy".into()),
///         }
///     }
/// }
///
/// impl Context for Written {
///     fn can_encrypt(&self) -> bool {
///         true
///     }
///     # fn wrap(&mut self, _: bool, message: &[u8]) -> Result<Vec<u8>, BoxError> {
///     #     Ok([b"w ", message].concat())
///     # }
///     # fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError> {
///     #     let message = token.strip_prefix(b"w ").ok_or("not wrapped")?;
///     #     Ok(Unwrapped::new(message.to_vec(), true))
///     # }
///     # fn longest_message(&mut self, _: bool, token: u16) -> Result<usize, BoxError> {
///     #     Ok(usize::from(token) - 2)
///     # }
///     // wrap, unwrap, longest_message
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
/// let (near, mut proxy) = tokio::io::duplex(512);
/// proxy.write_all(b"\x05\x01\x01\x01\x00\x07come in\x01\x02\x00\x03w \x02").await?;
/// proxy.write_all(b"\x01\x03\x00\x0cw \x05\x00\x00\x01\x00\x00\x00\x00\x00\x00").await?;
/// let client = Client::with(Gssapi::new(Written));
/// let _stream = client.connect(near, "192.0.2.1:80").await?;
///
/// let mut said = [0; 33];
/// proxy.read_exact(&mut said).await?;
/// let expected = b"\x05\x01\x01\x01\x01\x00\x03joe\x01\x02\x00\x03w \x02\x01\x03\x00\x0cw \x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";
/// assert_eq!(&said, expected);
/// # Ok(()) }
/// ```
pub struct Gssapi<I> {
    initiator: Arc<I>,
    /// Those that are accepted, in order of preference.
    levels: Vec<ProtectionLevel>,
    turns: Arc<Semaphore>,
}

impl<I: Initiator> Gssapi<I> {
    /// Creates the method over an initiator, with the levels confidentiality and integrity, and 16 steps of the
    /// mechanism at once.
    pub fn new(initiator: I) -> Self {
        Self {
            initiator: Arc::new(initiator),
            levels: vec![ProtectionLevel::CONFIDENTIALITY, ProtectionLevel::INTEGRITY],
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }
}

impl<I> Gssapi<I> {
    /// Sets the levels that are accepted, in order of preference: the first that the context can do is asked for.
    ///
    /// [`CLEAR`](ProtectionLevel::CLEAR) is accepted only if it is among them: then the proxy can have everything behind
    /// the authentication travel in clear.
    #[must_use]
    pub fn levels(mut self, levels: impl IntoIterator<Item = ProtectionLevel>) -> Self {
        self.levels = levels.into_iter().collect();
        self
    }

    /// Sets how many steps of the mechanism run at once, one at least. What was cloned before has turns of its own.
    #[must_use]
    pub fn turns(mut self, most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        self.turns = Arc::new(Semaphore::new(most));
        self
    }
}

impl<I: Initiator> Gssapi<I> {
    /// Takes one step in a thread for what blocks. The turn is given back when the mechanism returns.
    async fn step(
        &self,
        command: Command,
        establishment: Option<I::Establishment>,
        token: Vec<u8>,
    ) -> Result<Step<I::Establishment>, BoxError> {
        let runtime = Handle::try_current()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await?;
        let initiator = Arc::clone(&self.initiator);
        let stepped = runtime.spawn_blocking(move || {
            let _turn = turn;
            let establishment = match establishment {
                Some(establishment) => establishment,
                None => initiator.initiate(command)?,
            };
            establishment.step(&token)
        });
        stepped.await.map_err(|_| "the mechanism panicked")?
    }

    /// Establishes a context (RFC 1961 section 3).
    async fn establish<Io>(
        &self,
        command: Command,
        io: &mut Io,
    ) -> Result<<I::Establishment as Establishment>::Context, BoxError>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut establishment, mut heard) = (None, Vec::new());
        for round in 0..=ROUNDS {
            match self.step(command, establishment.take(), heard).await? {
                Step::Continue { token, next } => {
                    write_token(io, Due::Context, &token).await?;
                    if round == ROUNDS {
                        break;
                    }
                    heard = read(io, Due::Context).await?;
                    establishment = Some(next);
                }
                Step::Done { token, context, .. } => {
                    match token {
                        Some(token) if !token.is_empty() => {
                            write_token(io, Due::Context, &token).await?;
                            // The proxy says that its side stands as well (section 3.6).
                            if !read(io, Due::Context).await?.is_empty() {
                                return Err("proxy goes on where the context stands".into());
                            }
                        }
                        _ if round == 0 => return Err("mechanism has nothing to say".into()),
                        _ => {}
                    }
                    return Ok(context);
                }
            }
        }
        Err(format!("no context after {ROUNDS} tokens of the proxy").into())
    }

    /// Asks for a level, and returns the one that rules (section 4).
    async fn agree<C, Io>(&self, context: &mut C, io: &mut Io) -> Result<ProtectionLevel, BoxError>
    where
        C: Context,
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let can_encrypt = context.can_encrypt();
        let is_possible = |level: &ProtectionLevel| match *level {
            ProtectionLevel::CLEAR | ProtectionLevel::INTEGRITY => true,
            ProtectionLevel::CONFIDENTIALITY | ProtectionLevel::SELECTIVE => can_encrypt,
            _ => false,
        };
        let mut accepted = self.levels.iter().copied().filter(is_possible);
        let Some(asked) = accepted.next() else {
            return Err("no level of protection that is accepted is possible".into());
        };
        write_token(io, Due::Level, &context.wrap(false, &[asked.0])?).await?;
        let answer = context.unwrap(&read(io, Due::Level).await?)?;
        match ProtectionLevel::from_octets(&answer.message) {
            Some(level) if level == asked && !answer.out_of_turn => Ok(level),
            Some(level) if accepted.any(|it| it == level) && !answer.out_of_turn => Ok(level),
            Some(level) => {
                let level = level.0;
                Err(format!("proxy answers with level {level} of protection").into())
            }
            None => Err("proxy answers with no level of protection".into()),
        }
    }
}

/// Reads a token of the proxy.
async fn read<Io>(io: &mut Io, due: Due) -> Result<Vec<u8>, BoxError>
where
    Io: AsyncRead + Unpin,
{
    read_token(io, due).await.map_err(|error| match error {
        TokenError::Aborted => AuthError::Denied.into(),
        TokenError::Read(ReadError::Io(error)) => error.into(),
        TokenError::Read(error) => error.into(),
        TokenError::Unexpected(_) => error.into(),
    })
}

impl<I, Io> ClientAuth<Io> for Gssapi<I>
where
    I: Initiator,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = BoxStream;

    fn methods(&self) -> MethodSet {
        Method::GSSAPI.into()
    }

    /// Empty: the first token takes a step of the mechanism.
    fn first_message(&self, _: Method) -> Vec<u8> {
        Vec::new()
    }

    async fn finish(
        &self,
        _: Method,
        command: Command,
        mut io: Io,
    ) -> Result<(BoxStream, Sealing), BoxError> {
        let mut context = self.establish(command, &mut io).await?;
        let level = self.agree(&mut context, &mut io).await?;
        let io = BoxStream::new(io);
        if level == ProtectionLevel::CLEAR {
            return Ok((io, Sealing::Clear));
        }
        let mut stream = EncapsulatedStream::new(io, context, level)?;
        let sealing = stream.sealing();
        Ok((stream.boxed(), sealing))
    }
}

/// Clones share turns.
impl<I> Clone for Gssapi<I> {
    fn clone(&self) -> Self {
        Self {
            initiator: Arc::clone(&self.initiator),
            levels: self.levels.clone(),
            turns: Arc::clone(&self.turns),
        }
    }
}

impl<I> fmt::Debug for Gssapi<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An initiator may hold secrets.
        f.debug_struct("Gssapi")
            .field("levels", &self.levels)
            .finish_non_exhaustive()
    }
}
