use std::{
    any::Any,
    io,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{BoxStream, Meter, MeteredStream, PrefixedStream, Raw, Sealing, box_stream::Knows};

/// A stream on which a client speaks SOCKS: the stream of an
/// [`Authenticate`](crate::layer::auth::Authenticate) method.
///
/// One of your own that changes nothing about protection, or wraps a stream that may, hands on what that one says:
///
/// ```
/// use tower_socks::io::{ClientStream, Sealing};
/// # use std::{io, pin::Pin, task::{Context, Poll}};
/// # use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
///
/// struct Counted<Io>(Io);
///
/// impl<Io: ClientStream> ClientStream for Counted<Io> {
///     fn sealing(&mut self) -> Sealing {
///         self.0.sealing()
///     }
/// }
/// # impl<Io: ClientStream> AsyncRead for Counted<Io> {
/// #     fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
/// #         Pin::new(&mut self.0).poll_read(cx, buf)
/// #     }
/// # }
/// # impl<Io: ClientStream> AsyncWrite for Counted<Io> {
/// #     fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
/// #         Pin::new(&mut self.0).poll_write(cx, buf)
/// #     }
/// #     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
/// #         Pin::new(&mut self.0).poll_flush(cx)
/// #     }
/// #     fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
/// #         Pin::new(&mut self.0).poll_shutdown(cx)
/// #     }
/// # }
/// # let io = tower_socks::io::PrefixedStream::new(tokio::io::empty());
/// # assert!(matches!(Counted(io).boxed().sealing(), Sealing::Clear));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `ClientStream`",
    note = "a stream that carries a client's request is `AsyncRead + AsyncWrite + Unpin + Send + \
            'static`, and says with `impl ClientStream for {Self}` what protects its datagrams"
)]
pub trait ClientStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Returns what protects the datagrams that travel beside the stream, where the client's request is UDP ASSOCIATE.
    ///
    /// A stream that encapsulates what is written to it seals them as well, or says that it cannot; any other is
    /// [`Clear`](Sealing::Clear), and one that wraps another hands on what that says. It has no default, so that a
    /// wrapper cannot forget it and let datagrams travel in clear.
    fn sealing(&mut self) -> Sealing;

    /// Returns the stream beneath, for one that encapsulates it: the connection is reset by it where it has to
    /// end otherwise than by an end that looks complete.
    fn beneath(&self) -> Option<&dyn Any> {
        None
    }

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
        let knows = const {
            &Knows {
                closed: Self::poll_closed,
                sealing: |io| Some(io.sealing()),
                beneath: Self::beneath,
            }
        };
        BoxStream::watched(self, knows)
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
    /// Those of a client that has not authenticated are in clear, unless there is a box inside that says otherwise.
    fn sealing(&mut self) -> Sealing {
        sealing_within(self.get_mut())
    }

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
    /// Asks the stream in the box, if that was boxed as a `ClientStream`, and a box in it.
    fn sealing(&mut self) -> Sealing {
        sealing_within(self)
    }

    fn beneath(&self) -> Option<&dyn Any> {
        Some(self.inner())
    }

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
    fn sealing(&mut self) -> Sealing {
        sealing_within(self)
    }

    fn beneath(&self) -> Option<&dyn Any> {
        Some(Self::boxed(self).inner())
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_closed(self, cx)
    }

    /// Adds a meter to the same box.
    fn metered(self, meter: impl Meter) -> MeteredStream {
        self.and(meter)
    }
}

/// Finds out what protects the datagrams beside a stream of any type, as far as that is a box or has one in it.
fn sealing_within(io: &mut dyn Any) -> Sealing {
    if let Some(metered) = io.downcast_mut::<MeteredStream>() {
        return sealing_within(metered.boxed_mut());
    }
    if let Some(prefixed) = io.downcast_mut::<PrefixedStream<BoxStream>>() {
        return sealing_within(prefixed.get_mut());
    }
    match io.downcast_mut::<BoxStream>() {
        Some(boxed) => {
            let known = boxed.sealing();
            known.unwrap_or_else(|| sealing_within(boxed.inner_mut()))
        }
        None => Sealing::Clear,
    }
}
