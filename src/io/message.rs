//! Reading and writing of whole messages.

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{client_stream::ClientStream, lingering_close::lingering_close};
use crate::proto::{self, Decode, Decoded};

/// The time for writing a reply. With that of [`lingering_close`] it stays below the 10 s that RFC
/// 1928 section 6 allows.
const LIMIT: Duration = Duration::from_secs(5);

/// Reads one message from a stream, and no byte of the next.
///
/// ```
/// use tower_socks::{io::read_message, proto::Greeting};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut io = &b"\x05\x01\x00more"[..];
/// let greeting: Greeting = read_message(&mut io, &mut [0; 257]).await.unwrap();
/// assert!(greeting.methods.contains(tower_socks::proto::Method::NO_AUTHENTICATION));
/// assert_eq!(io, b"more");
/// # }
/// ```
///
/// # Errors
///
/// [`ReadError::Closed`] when the stream ends first; [`ReadError::Malformed`] as soon as the bytes
/// cannot become a message; [`ReadError::Io`] when the stream fails, or when the message outgrows
/// `scratch`, which should have [`Decode::MAX_LEN`] octets.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read are lost with the future.
pub async fn read_message<T, R>(io: &mut R, scratch: &mut [u8]) -> Result<T, ReadError>
where
    T: Decode,
    R: AsyncRead + Unpin,
{
    let mut filled = 0;
    loop {
        let message = scratch.get(..filled).unwrap_or_default();
        let missing = match T::decode(message).map_err(ReadError::Malformed)? {
            Decoded::Done(value, _) => return Ok(value),
            Decoded::Need(missing) => missing,
        };
        let Some(room) = scratch.get_mut(filled..filled + missing) else {
            return Err(ReadError::Io(io::ErrorKind::FileTooLarge.into()));
        };
        match io.read(room).await.map_err(ReadError::Io)? {
            0 => return Err(ReadError::Closed),
            read => filled += read,
        }
    }
}

/// An error of [`read_message`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer closed before the message was complete.
    Closed,
    /// The bytes are not the message.
    Malformed(proto::Error),
    /// The stream failed.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("peer closed in the middle of a message"),
            Self::Malformed(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed => None,
            Self::Malformed(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

/// Writes a reply, as it is encoded.
///
/// # Errors
///
/// When the stream fails, or does not take the reply within 5 s.
pub(crate) async fn write_reply<W: ClientStream>(client: &mut W, reply: &[u8]) -> io::Result<()> {
    let write = async {
        client.write_all(reply).await?;
        client.flush().await
    };
    timeout(LIMIT, write).await?
}

/// Sends a failure reply and performs a lingering close.
pub(crate) async fn refuse<W: ClientStream>(mut client: W, reply: &[u8]) {
    // A client that is gone needs no close that lingers.
    if write_reply(&mut client, reply).await.is_ok() {
        lingering_close(client).await;
    }
}
