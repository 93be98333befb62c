use std::{fmt, io, sync::Arc};

/// What protects the datagrams of an association (UDP ASSOCIATE), which travel beside its stream. See
/// [`ClientStream::sealing`](super::ClientStream::sealing).
#[derive(Clone)]
#[non_exhaustive]
pub enum Sealing {
    /// Nothing: they travel as they are.
    Clear,
    /// They are sealed. What does not open was not sent by the peer, and is dropped.
    Sealed(Arc<dyn Sealer>),
    /// Nobody can seal them, and they must not travel as they are: there are none.
    Impossible,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // It has keys.
            Self::Sealed(_) => "Sealed",
            Self::Clear => "Clear",
            Self::Impossible => "Impossible",
        })
    }
}

/// Seals the datagrams of an association, and opens those of the peer: whole ones, with the header of RFC 1928 section 7.
///
/// It shares keys with the stream that it [comes from](super::ClientStream::sealing), and is asked by tasks that poll:
/// it takes the processor, and waits for nothing but itself.
pub trait Sealer: Send + Sync + 'static {
    /// Seals a datagram.
    ///
    /// # Errors
    ///
    /// Where it is larger than [`longest`](Self::longest), or cannot be sealed. It is dropped.
    fn seal(&self, datagram: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens a datagram of the peer, which may be anything, and lost, repeated or overtaken by others.
    ///
    /// # Errors
    ///
    /// Where it is not the peer's, was changed, or came before. It is dropped.
    fn open(&self, sealed: &[u8]) -> io::Result<Vec<u8>>;

    /// Returns the octets of the longest datagram that fits into 65,507 once it is sealed.
    fn longest(&self) -> usize;
}
