use std::{
    any::Any,
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Sealing,
    raw::{Raw, bare},
};

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
    fn bare(&self) -> Option<Raw<'_>>;
    fn beneath(&self) -> Option<&dyn Any>;
    fn sealing(&mut self) -> Option<Sealing>;
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream, and what is known of it.
struct Watched<Io: 'static> {
    io: Io,
    knows: &'static Knows<Io>,
}

/// What is known of a stream of one type.
pub(super) struct Knows<Io> {
    /// Learns that its peer has gone.
    pub(super) closed: fn(&mut Io, &mut Context<'_>) -> Poll<io::Result<()>>,
    /// What protects the datagrams beside it; `None` where it cannot tell.
    pub(super) sealing: fn(&mut Io) -> Option<Sealing>,
    /// The stream beneath, where it encapsulates that.
    pub(super) beneath: fn(&Io) -> Option<&dyn Any>,
}

impl BoxStream {
    /// Boxes a stream of which no more is known. A client's stream is boxed by
    /// [`ClientStream::boxed`](super::ClientStream::boxed), and then the box knows whether the client has gone, and what
    /// protects its datagrams.
    pub fn new<Io>(io: Io) -> Self
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let knows = const {
            &Knows {
                closed: |_, _| Poll::Pending,
                sealing: |_| None,
                beneath: |_| None,
            }
        };
        Self::watched(io, knows)
    }

    /// Boxes a stream with what is known of it.
    pub(super) fn watched<Io>(io: Io, knows: &'static Knows<Io>) -> Self
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self(Box::new(Watched { io, knows }))
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

    /// Returns the socket in the box, with no bytes in front of it and no other box around it.
    pub(super) fn bare(&self) -> Option<Raw<'_>> {
        self.0.bare()
    }

    /// Returns the stream beneath the one in the box, where that encapsulates it.
    pub(super) fn beneath(&self) -> Option<&dyn Any> {
        self.0.beneath()
    }

    /// Returns what protects the datagrams beside the stream in the box; `None` where that cannot tell.
    pub(super) fn sealing(&mut self) -> Option<Sealing> {
        self.0.sealing()
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

    fn bare(&self) -> Option<Raw<'_>> {
        bare(&self.io)
    }

    fn beneath(&self) -> Option<&dyn Any> {
        (self.knows.beneath)(&self.io)
    }

    fn sealing(&mut self) -> Option<Sealing> {
        (self.knows.sealing)(&mut self.io)
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.knows.closed)(&mut self.io, cx)
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
