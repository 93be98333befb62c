use std::{
    any::Any,
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A boxed stream of any type.
///
/// The [relay](crate::relay) sees through it: a TCP stream in it moves bulk data by `splice(2)` as
/// it does without the box.
///
/// ```
/// use tower_socks::io::BoxStream;
///
/// let streams: [BoxStream; 2] = [
///     BoxStream::new(tokio::io::duplex(64).0),
///     BoxStream::new(tokio::io::join(tokio::io::empty(), tokio::io::sink())),
/// ];
/// assert!(streams[0].get_ref::<tokio::io::DuplexStream>().is_some());
/// ```
pub struct BoxStream(Box<dyn Stream>);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    fn inner(&self) -> &dyn Any;
    fn inner_mut(&mut self) -> &mut dyn Any;
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream, and the function that learns that its peer has gone.
struct Watched<Io> {
    io: Io,
    closed: Closed<Io>,
}

type Closed<Io> = fn(&mut Io, &mut Context<'_>) -> Poll<io::Result<()>>;

impl BoxStream {
    /// Boxes a stream.
    pub fn new<Io>(io: Io) -> Self
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::watched(io, |_, _| Poll::Pending)
    }

    /// Boxes a stream with the function that learns that its peer has gone.
    pub(crate) fn watched<Io>(io: Io, closed: Closed<Io>) -> Self
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self(Box::new(Watched { io, closed }))
    }

    /// Returns the stream, if it is of this type.
    #[must_use]
    pub fn get_ref<Io: 'static>(&self) -> Option<&Io> {
        self.inner().downcast_ref()
    }

    pub(super) fn inner(&self) -> &dyn Any {
        self.0.inner()
    }

    pub(super) fn inner_mut(&mut self) -> &mut dyn Any {
        self.0.inner_mut()
    }

    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_closed(cx)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for Watched<Io> {
    fn inner(&self) -> &dyn Any {
        &self.io
    }

    fn inner_mut(&mut self) -> &mut dyn Any {
        &mut self.io
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.closed)(&mut self.io, cx)
    }
}

/// Implements `AsyncRead` and `AsyncWrite` by those of a field.
macro_rules! forward {
    ($stream:ident $(<$io:ident>)?, $field:tt) => {
        impl$(<$io: AsyncRead + Unpin>)? AsyncRead for $stream$(<$io>)? {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.get_mut().$field).poll_read(cx, buf)
            }
        }

        impl$(<$io: AsyncWrite + Unpin>)? AsyncWrite for $stream$(<$io>)? {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.get_mut().$field).poll_write(cx, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.get_mut().$field).poll_flush(cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.get_mut().$field).poll_shutdown(cx)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.get_mut().$field).poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                self.$field.is_write_vectored()
            }
        }
    };
}

forward!(Watched<Io>, io);
forward!(BoxStream, 0);

impl fmt::Debug for BoxStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxStream")
    }
}
