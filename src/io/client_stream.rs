use std::{
    io,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{BoxStream, Meter, MeteredStream, PrefixedStream};

/// A stream on which a client speaks SOCKS: the stream of an [`Authenticate`](crate::Authenticate)
/// method.
///
/// Implement it for an encapsulating stream of your own with an empty body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `ClientStream`",
    note = "a stream that carries a client's request is `AsyncRead + AsyncWrite + Unpin + Send + \
            'static`, and says `impl ClientStream for {Self} {{}}`"
)]
pub trait ClientStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
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

    /// The same stream with a meter on it, for the tunnel that it is handed to: see [`MeteredStream`].
    fn metered(self, meter: impl Meter) -> MeteredStream
    where
        Self: Sized,
    {
        MeteredStream::new(self.boxed()).and(meter)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> ClientStream for PrefixedStream<Io> {
    /// Reads ahead, and keeps what it reads. Knows nothing any more once there is no room.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}

impl ClientStream for BoxStream {
    /// As the stream in the box, if that was a `ClientStream` when it was put in by
    /// [`boxed`](ClientStream::boxed).
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_closed(self, cx)
    }

    fn boxed(self) -> BoxStream {
        self
    }
}

impl ClientStream for MeteredStream {
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_closed(self, cx)
    }

    /// There is one box, however many meters there are.
    fn metered(self, meter: impl Meter) -> MeteredStream {
        self.and(meter)
    }
}
