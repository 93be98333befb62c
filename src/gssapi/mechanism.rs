use std::fmt;

use super::Context;
use crate::{error::BoxError, proto::Command};

/// A mechanism of GSS-API, from the server's side: it has the keys, and begins contexts for clients (RFC 1961 section
/// 3.6). Which name the server has, and where its keys are, is a matter of the mechanism.
///
/// Its functions, and those of what it returns, may block their thread: they are called in threads for that, so
/// many at once, and within the deadline of the handshake.
pub trait Mechanism: Send + Sync + 'static {
    /// A context that is being established.
    type Establishment: Establishment;

    /// Begins a context with a client, whose first token goes to [`Establishment::step`].
    ///
    /// # Errors
    ///
    /// Where the mechanism cannot serve anybody, such as without keys. The client is refused. The text is for the log, where an
    /// operator has to find in it what is missing.
    fn accept(&self) -> Result<Self::Establishment, BoxError>;
}

/// A mechanism of GSS-API, from the client's side (RFC 1961 section 3.2): it has what proves who we are, and knows the
/// name of the proxy's service.
///
/// It asks for mutual authentication, and has to see to it that a context stands only where the proxy has
/// proven who it is. It does not delegate: the proxy could act as the user then.
///
/// Its functions, and those of what it returns, may block their thread, as those of a [`Mechanism`].
pub trait Initiator: Send + Sync + 'static {
    /// A context that is being established.
    type Establishment: Establishment;

    /// Begins a context for one request. The first [`step`](Establishment::step) gets an empty token.
    ///
    /// A context for UDP ASSOCIATE protects datagrams too, which may be lost and overtake each other: so it is not asked to
    /// protect their sequence (`GSS_C_SEQUENCE_FLAG`, section 3.2), as one for another command is.
    ///
    /// # Errors
    ///
    /// Where there is nothing to begin with, such as without a ticket. The connection to the proxy is closed.
    fn initiate(&self, command: Command) -> Result<Self::Establishment, BoxError>;
}

/// A context that is being established, on one of the two sides.
pub trait Establishment: Send + Sized + 'static {
    /// The context that stands in the end.
    type Context: Context;

    /// Takes the peer's token (`gss_accept_sec_context`, `gss_init_sec_context`), and says what to send.
    /// The token has 0 to 65,535 octets, and may be anything.
    ///
    /// May block its thread. A call that has begun goes on to its end, whatever becomes of the connection.
    ///
    /// # Errors
    ///
    /// Where the peer could not prove who it is, or nobody could tell. The connection is given up, and the peer
    /// does not hear why. The text is for the log.
    /// [`AuthError::Verifier`](crate::error::AuthError::Verifier) in it, or around it, says that the fault is on
    /// our side, such as keys that cannot be read.
    fn step(self, token: &[u8]) -> Result<Step<Self>, BoxError>;
}

/// What one step of an [`Establishment`] has come to.
pub enum Step<E: Establishment> {
    /// The peer has to answer (`GSS_S_CONTINUE_NEEDED`).
    Continue {
        /// What goes to the peer.
        token: Vec<u8>,
        /// What takes its answer.
        next: E,
    },
    /// The context stands on this side (`GSS_S_COMPLETE`).
    Done {
        /// What goes to the peer, if there is something left.
        token: Option<Vec<u8>>,
        /// The context.
        context: E::Context,
        /// The name of the peer as the mechanism writes it, such as `joe@EXAMPLE.COM`.
        peer: String,
    },
}

impl<E: Establishment> fmt::Debug for Step<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue { token, .. } => f
                .debug_struct("Continue")
                .field("octets", &token.len())
                .finish_non_exhaustive(),
            Self::Done { token, peer, .. } => f
                .debug_struct("Done")
                .field("octets", &token.as_ref().map(Vec::len))
                .field("peer", peer)
                .finish_non_exhaustive(),
        }
    }
}
