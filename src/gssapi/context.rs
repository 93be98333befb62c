use std::fmt;

use crate::error::BoxError;

/// A security context of GSS-API that stands: both sides know each other, and share keys.
///
/// It belongs to one connection, and is asked by one task. What it does takes the processor and waits
/// for nothing: its functions are called where streams are polled.
pub trait Context: Send + 'static {
    /// Wraps a message (`gss_wrap`), and encrypts it too where it is `confidential`.
    ///
    /// # Errors
    ///
    /// Where the context has ended, or cannot encrypt. The connection is given up.
    fn wrap(&mut self, confidential: bool, message: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// Whether it can encrypt (`GSS_C_CONF_FLAG`). Where it cannot, no level is agreed on that needs it.
    fn can_encrypt(&self) -> bool;

    /// Unwraps a token of the peer (`gss_unwrap`). It has 0 to 65,535 octets, and may be anything.
    ///
    /// A token that is genuine and new, but follows a gap or was overtaken (`GSS_S_GAP_TOKEN`, `GSS_S_UNSEQ_TOKEN`), is
    /// unwrapped [out of turn](Unwrapped::out_of_turn).
    ///
    /// # Errors
    ///
    /// Where the token was not made by the peer with these keys, or came before (`GSS_S_DUPLICATE_TOKEN`,
    /// `GSS_S_OLD_TOKEN`). Nothing of the token is used then: a stream is given up, of datagrams this one is dropped.
    fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError>;

    /// Returns the octets of the longest message whose token has at most `token` octets
    /// (`gss_wrap_size_limit`).
    ///
    /// # Errors
    ///
    /// As [`wrap`](Self::wrap).
    fn longest_message(&mut self, confidential: bool, token: u16) -> Result<usize, BoxError>;
}

/// A message that was unwrapped. Its `Debug` form has the length only: it is what somebody took care to encrypt.
#[derive(Clone)]
#[non_exhaustive]
pub struct Unwrapped {
    /// The message.
    pub message: Vec<u8>,
    /// Whether it was encrypted, and not only protected against change.
    pub confidential: bool,
    /// Whether it follows a gap or was overtaken by others. Datagrams may be. In a stream something was cut
    /// out or exchanged then, and it fails.
    pub out_of_turn: bool,
}

impl Unwrapped {
    /// Creates what [`Context::unwrap`] returns, in its turn.
    #[must_use]
    pub const fn new(message: Vec<u8>, confidential: bool) -> Self {
        Self {
            message,
            confidential,
            out_of_turn: false,
        }
    }

    /// Says that it was not its turn.
    #[must_use]
    pub const fn out_of_turn(mut self) -> Self {
        self.out_of_turn = true;
        self
    }
}

impl fmt::Debug for Unwrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwrapped")
            .field("octets", &self.message.len())
            .field("confidential", &self.confidential)
            .field("out_of_turn", &self.out_of_turn)
            .finish()
    }
}
