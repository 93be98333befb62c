use std::{
    fmt, io,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::{
    proto::{self, Decode, Decoded},
    relay::{BoxStream, Meter, Metered, ReadAhead},
};

/// A stream on which a client speaks SOCKS: the stream of an [`Authenticate`](crate::Authenticate)
/// method.
///
/// Implement it for an encapsulating stream of your own with an empty body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Wire`",
    note = "a stream that carries a client's request is `AsyncRead + AsyncWrite + Unpin + Send + \
            'static`, and says `impl Wire for {Self} {{}}`"
)]
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Ready once the client has closed its side, and with an error once it is certainly gone.
    ///
    /// Polled while the request is carried out. An error ends the dial, since nobody waits for it
    /// any more. The end alone does not: it is a half-close, and a client may send its request and
    /// FIN in one go. The default never knows.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Pending
    }

    /// The same stream in a box, so that it is of one type whatever it is.
    fn boxed(self) -> BoxStream
    where
        Self: Sized,
    {
        BoxStream::watched(self, Self::poll_closed)
    }

    /// The same stream with a meter on it, for the tunnel that it is handed to: see [`Metered`].
    fn metered(self, meter: impl Meter) -> Metered
    where
        Self: Sized,
    {
        Metered::new(self.boxed()).and(meter)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for ReadAhead<Io> {
    /// Reads ahead, and keeps what it reads. Knows nothing any more once there is no room.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}

impl Wire for BoxStream {
    /// As the stream in the box, if that was a `Wire` when it was put in by
    /// [`boxed`](Wire::boxed).
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_closed(self, cx)
    }

    fn boxed(self) -> BoxStream {
        self
    }
}

impl Wire for Metered {
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_closed(self, cx)
    }

    /// There is one box, however many meters there are.
    fn metered(self, meter: impl Meter) -> Metered {
        self.and(meter)
    }
}

/// Reads one message from a stream, and not a byte more.
///
/// ```
/// use tower_socks::{proto::Greeting, session::read};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut io = &b"\x05\x01\x00more"[..];
/// let greeting: Greeting = read(&mut io, &mut [0; 257]).await.unwrap();
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
/// None: bytes that were read are lost with the future.
pub async fn read<T, R>(io: &mut R, scratch: &mut [u8]) -> Result<T, ReadError>
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

/// Why no message could be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer closed before the message was complete.
    Closed,
    /// What it sent is not the message.
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
