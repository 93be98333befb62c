use std::{
    io,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{BoxStream, Meter, MeteredStream, PrefixedStream, Raw};

/// A stream on which a client speaks SOCKS: the stream of an
/// [`Authenticate`](crate::layer::auth::Authenticate) method.
///
/// Implement it for an encapsulating stream of your own with an empty body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `ClientStream`",
    note = "a stream that carries a client's request is `AsyncRead + AsyncWrite + Unpin + Send + \
            'static`, and says `impl ClientStream for {Self} {{}}`"
)]
pub trait ClientStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Polls for the end of the client's side; an error says that the client is certainly gone.
    ///
    /// Polled during the dial. An error ends the dial, since the client waits for it no longer. The
    /// end alone does not: it is a half-close, and a client may send its request and FIN at once.
    /// The default is never ready.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Pending
    }

    /// Boxes the stream, so that all are of one type.
    fn boxed(self) -> BoxStream
    where
        Self: Sized,
    {
        BoxStream::watched(self, Self::poll_closed)
    }

    /// Adds a meter for the tunnel that the stream is given to: see [`MeteredStream`].
    fn metered(self, meter: impl Meter) -> MeteredStream
    where
        Self: Sized,
    {
        MeteredStream::new(self.boxed()).and(meter)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> ClientStream for PrefixedStream<Io> {
    /// Reads ahead, and keeps what it reads. Once there is no more room, a socket is asked every
    /// second whether it has an error; of any other stream nothing is learnt then.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_full() {
            let end = self.poll_end(cx);
            if end.is_ready() || !self.is_full() {
                return end;
            }
        }
        self.poll_broken(cx).map(Err)
    }
}

impl<Io: AsyncRead + Unpin + 'static> PrefixedStream<Io> {
    /// Looks at the socket once a second; ready once it has an error. With bytes left to read, its readiness says
    /// nothing new.
    pub(crate) fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let Some(socket) = Raw::beneath(self.get_ref()) else {
                return Poll::Pending;
            };
            match socket.take_error() {
                Ok(None) => {}
                Ok(Some(error)) | Err(error) => return Poll::Ready(error),
            }
            ready!(self.poll_watch(cx));
        }
    }
}

impl ClientStream for BoxStream {
    /// Polls the stream in the box, if that was boxed as a `ClientStream`, by
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

    /// Adds a meter to the same box.
    fn metered(self, meter: impl Meter) -> MeteredStream {
        self.and(meter)
    }
}
