use std::{fmt, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use super::{
    dialogue::{Agreed, End, Terms, abort, negotiate},
    gate::Gate,
    levels::{Bare, Clear, Levels},
};
use crate::{
    error::{AuthError, BoxError},
    gssapi::{EncapsulatedStream, Mechanism},
    io::{BoxStream, ClientStream, lingering_close},
    layer::auth::{Authenticate, AuthenticateStated},
    proto::{Method, ProtectionLevel},
    session::{Identity, Negotiation, Stated},
};

/// Places of the queue for each turn.
const QUEUE_PER_TURN: usize = 64;

/// Less than a handshake has unless told otherwise, which is 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// Authenticates by GSS-API, X'01' (RFC 1961): by Kerberos for instance, with single sign-on, and without a password
/// that travels. What follows is encapsulated, as far as was agreed on: the request, the replies, both of BIND, relayed
/// octets, and each datagram of UDP ASSOCIATE with its header.
///
/// `M` is a [`Mechanism`]: what knows Kerberos, keys and the library of the system.
///
/// # Levels of protection
///
/// The client asks for one, and is answered with the same if it is [allowed](Self::levels), otherwise with the first
/// that is: then it is up to the client to close. What a context cannot encrypt is not answered with a level that needs it.
///
/// | level | | |
/// |---|---|---|
/// | 2 confidentiality | encrypted | the first unless told otherwise |
/// | 1 integrity | protected against change | the second |
/// | 3 selective | each side chooses for each message: we encrypt, and take both | by [`levels`](Self::levels) |
/// | 0 clear | not in the RFC; all that curl speaks | by [`allow_clear`](Self::allow_clear) |
///
/// # Limits
///
/// * A client sends 8 tokens at most until the context stands, each of 65,535 octets at most, for which there is
///   memory as they arrive. Then, and where the mechanism says no, it hears `01 FF`, and the connection is closed.
/// * **Steps of the mechanism have a thread each, and [turns](Self::turns)**: a turn is given back when the
///   mechanism returns, whatever becomes of the connection. Those that wait are [bounded](Self::queue) as those of a
///   [`BlockingVerifier`](crate::layer::auth::BlockingVerifier): every client has a share. All of it is within the deadline of the handshake.
/// * Failures count for the client network in [`FailedLoginsLayer`](crate::layer::limit::FailedLoginsLayer), since nobody
///   has a name before it is proven.
///
/// The selection of a method travels in clear: somebody on the path can take X'01' out of those that a client offers. So a server
/// that wants this method for all offers no other. Beside another, it stands in a tuple:
/// `(Gssapi::new(mechanism), UserPass::new(users))`. The stream is boxed then whatever is used, and so it is at level 0, where
/// relays see through the box and move bulk data by `splice(2)` as ever.
///
/// ```
/// use tower_socks::{
///     AuthLayer, BoxError, Identity,
///     gssapi::{Context, Establishment, Mechanism, Step, Unwrapped},
///     layer::auth::Gssapi,
/// };
/// # use tower::{Layer, ServiceExt};
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # use tower_socks::{Connector, io::PrefixedStream, proto::Method, session::Negotiation};
///
/// /// Believes what clients say, and protects nothing. A real one asks the library of the system.
/// #[derive(Clone)]
/// struct Gullible;
///
/// impl Mechanism for Gullible {
///     type Establishment = Self;
///
///     fn accept(&self) -> Result<Self, BoxError> {
///         Ok(Gullible)
///     }
/// }
///
/// impl Establishment for Gullible {
///     type Context = Self;
///
///     fn step(self, token: &[u8]) -> Result<Step<Self>, BoxError> {
///         let peer = str::from_utf8(token)?.to_owned();
///         Ok(Step::Done { token: None, context: self, peer })
///     }
/// }
///
/// impl Context for Gullible {
///     fn can_encrypt(&self) -> bool {
///         false
///     }
///     # fn wrap(&mut self, _: bool, message: &[u8]) -> Result<Vec<u8>, BoxError> {
///     #     Ok([b"wrapped ", message].concat())
///     # }
///     # fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError> {
///     #     let message = token.strip_prefix(b"wrapped ").ok_or("not wrapped")?;
///     #     Ok(Unwrapped::new(message.to_vec(), false))
///     # }
///     # fn longest_message(&mut self, _: bool, token: u16) -> Result<usize, BoxError> {
///     #     Ok(usize::from(token) - 8)
///     # }
///     // wrap, unwrap, longest_message
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // Without the realm.
/// let method = Gssapi::new(Gullible).identity(|principal| {
///     let user = principal.strip_suffix("@EXAMPLE.COM");
///     user.map(Identity::named).ok_or_else(|| "of another realm".into())
/// });
/// let layer = AuthLayer::new(method);
///
/// # let (mut client, server) = tokio::io::duplex(512);
/// # let nowhere = ([127, 0, 0, 1], 0).into();
/// # let server = PrefixedStream::new(server);
/// # let negotiation = Negotiation::new(server, Method::GSSAPI.into(), nowhere, nowhere);
/// client.write_all(b"\x01\x01\x00\x0fjoe@EXAMPLE.COM").await.unwrap();
/// // Asks for confidentiality, which this context does not have.
/// client.write_all(b"\x01\x02\x00\x09wrapped \x02").await.unwrap();
/// let authenticated = layer.layer(Connector::direct()).oneshot(negotiation).await.unwrap();
/// assert_eq!(authenticated.identity.name(), Some(&b"joe"[..]));
///
/// let mut answer = [0; 19];
/// client.read_exact(&mut answer).await.unwrap();
/// assert_eq!(&answer, b"\x05\x01\x01\x01\x00\x00\x01\x02\x00\x09wrapped \x01");
/// # }
/// ```
pub struct Gssapi<M> {
    terms: Terms<M>,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    turns: usize,
    queue: usize,
    patience: Duration,
}

impl Limits {
    fn gate(self) -> Arc<Gate> {
        Arc::new(Gate::new(self.turns, self.queue, self.patience))
    }
}

impl<M: Mechanism> Gssapi<M> {
    /// Creates the method over a mechanism: with the levels confidentiality and integrity, the whole name that the mechanism has
    /// for a client as its identity, four turns for each core, and a queue of 64 for each in which one waits for 8 s
    /// at most.
    pub fn new(mechanism: M) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // They wait for disks more than for the processor.
        let turns = cores.saturating_mul(4);
        let limits = Limits {
            turns,
            queue: turns.saturating_mul(QUEUE_PER_TURN),
            patience: PATIENCE,
        };
        Self {
            terms: Terms {
                mechanism: Arc::new(mechanism),
                levels: Levels::new(),
                identity: Arc::new(|principal| match principal {
                    "" => Err(AuthError::Unproven("it has no name".into())),
                    principal => Ok(Identity::named(principal)),
                }),
                gate: limits.gate(),
            },
            limits,
        }
    }
}

impl<M> Gssapi<M> {
    /// Sets the levels that encapsulate and are allowed, in order of preference. What is none of 1 to 3 is left out.
    ///
    /// A client is answered with the level that it asks for where that is among them, and with the first of them otherwise.
    /// A server that wants everything encrypted has `[ProtectionLevel::CONFIDENTIALITY]`.
    #[must_use]
    pub fn levels(mut self, levels: impl IntoIterator<Item = ProtectionLevel>) -> Self {
        self.terms.levels.prefer(levels);
        self
    }

    /// Allows level 0, where nothing is encapsulated: to clients that ask for it, and to others where no level that
    /// encapsulates is allowed or possible.
    ///
    /// The client is known all the same, but what follows can be read and changed on its path. It is not in the RFC, and all
    /// that curl speaks: some versions of it ask for level 2 and give up unless the answer is 0, for which the
    /// [levels](Self::levels) have to be empty.
    #[must_use]
    pub const fn allow_clear(mut self) -> Self {
        self.terms.levels.clear = Clear::Allowed;
        self
    }

    /// Allows levels that are not protected themselves, as in NEC's implementation (`--socks5-gssapi-nec` of curl): a LEN of 1, and
    /// the level. They are answered likewise.
    ///
    /// Somebody on the path can change them to any level that is allowed.
    #[must_use]
    pub const fn allow_nec(mut self) -> Self {
        self.terms.levels.bare = Bare::Allowed;
        self
    }

    /// Sets who a client is by the name that the mechanism has for it, such as `joe@EXAMPLE.COM`: by default that name as a
    /// whole, since a realm is a part of it. An error refuses the client.
    #[must_use]
    pub fn identity<F>(mut self, identify: F) -> Self
    where
        F: Fn(&str) -> Result<Identity, BoxError> + Send + Sync + 'static,
    {
        self.terms.identity =
            Arc::new(move |principal| identify(principal).map_err(AuthError::Unproven));
        self
    }

    /// Sets how many steps of the mechanism run at once, one at least.
    #[must_use]
    pub fn turns(self, most: usize) -> Self {
        self.with(|limits| limits.turns = most.max(1))
    }

    /// Sets how many steps wait for a turn, one at least. More are refused.
    #[must_use]
    pub fn queue(self, most: usize) -> Self {
        self.with(|limits| limits.queue = most.max(1))
    }

    /// Sets for how long a step waits for its turn. Less than the handshake has, or else its client hears no answer.
    #[must_use]
    pub fn patience(self, longest: Duration) -> Self {
        self.with(|limits| limits.patience = longest)
    }

    fn with(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self.terms.gate = self.limits.gate();
        self
    }
}

impl<M: Mechanism, Io: ClientStream> Authenticate<Io> for Gssapi<M> {
    type Stream = BoxStream;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        Some(Method::GSSAPI).filter(|method| negotiation.offered.contains(*method))
    }

    async fn authenticate(
        &self,
        _: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(BoxStream, Identity), BoxError> {
        let Negotiation { mut io, peer, .. } = negotiation;
        let Agreed {
            context,
            level,
            identity,
        } = match negotiate(&self.terms, &mut io, peer).await {
            Ok(agreed) => agreed,
            Err(End::Gone(error)) => return Err(error),
            Err(End::Refused(error)) => {
                abort(&mut io).await?;
                lingering_close(io).await;
                return Err(error);
            }
        };
        let stream = match level {
            ProtectionLevel::CLEAR => io.boxed(),
            level => EncapsulatedStream::new(io, context, level)
                .map_err(|error| AuthError::Verifier(error.into()))?
                .boxed(),
        };
        Ok((stream, identity))
    }
}

/// Nothing: those who have no sub-negotiation cannot send tokens.
impl<M: Mechanism> AuthenticateStated for Gssapi<M> {
    async fn authenticate_stated(&self, _: &Negotiation<Stated>) -> Result<Identity, BoxError> {
        Err(AuthError::NoAcceptableMethod.into())
    }
}

/// Clones share turns and queue.
impl<M> Clone for Gssapi<M> {
    fn clone(&self) -> Self {
        Self {
            terms: self.terms.clone(),
            limits: self.limits,
        }
    }
}

impl<M> fmt::Debug for Gssapi<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A mechanism may hold secrets.
        f.debug_struct("Gssapi")
            .field("levels", &self.terms.levels)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
