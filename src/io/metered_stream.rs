use std::{
    any::Any,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{BoxStream, Direction, Meter, meter::Meters};

/// A client's stream with [meters](Meter): the result of
/// [`ClientStream::metered`](super::ClientStream::metered).
///
/// A layer that counts or bounds the bytes of a tunnel wraps the tunnel, and runs it with the
/// client's stream as this:
///
/// ```
/// use std::io;
/// use tower_socks::{Traffic, Tunnel, io::{ClientStream, Meter}, proto::Address};
///
/// struct Counted<T, M> {
///     tunnel: T,
///     meter: M,
/// }
///
/// impl<T: Tunnel, M: Meter> Tunnel for Counted<T, M> {
///     fn bound(&self) -> Address {
///         self.tunnel.bound()
///     }
///
///     async fn run<W: ClientStream>(self, client: W) -> io::Result<Traffic> {
///         self.tunnel.run(client.metered(self.meter)).await
///     }
/// }
/// ```
///
/// The connectors of this crate take the meters out: [`Relay`](crate::relay::Relay) asks them
/// before it reads on either side, bulk data still moves by `splice(2)`, and datagrams are counted
/// as well. In every other tunnel, reads are the direction up and writes the direction down.
/// However many layers do this, there is one box.
#[derive(Debug)]
pub struct MeteredStream {
    io: BoxStream,
    meters: Meters,
}

impl MeteredStream {
    pub(crate) fn new(io: BoxStream) -> Self {
        Self {
            io,
            meters: Meters::default(),
        }
    }

    /// Adds a meter.
    #[must_use]
    pub fn and(mut self, meter: impl Meter) -> Self {
        self.meters.add(meter);
        self
    }

    /// Takes all meters out of a stream, also of one in boxes, as that of a [`BoxTunnel`](crate::session::BoxTunnel):
    /// the socket is found through them as well. They count no more there.
    pub(crate) fn take<Io: 'static>(io: &mut Io) -> Meters {
        let mut meters = Meters::default();
        let mut io: &mut dyn Any = io;
        loop {
            // Asked first: a borrow that is returned in one branch would hold in the other.
            if io.is::<Self>() {
                let Some(metered) = io.downcast_mut::<Self>() else {
                    return meters;
                };
                meters.append(std::mem::take(&mut metered.meters));
                io = metered.io.inner_mut();
            } else {
                let Some(boxed) = io.downcast_mut::<BoxStream>() else {
                    return meters;
                };
                io = boxed.inner_mut();
            }
        }
    }

    /// Puts meters back that were [taken](Self::take) out of this stream.
    pub(crate) fn give_back<Io: 'static>(io: &mut Io, meters: Meters) {
        let mut io: &mut dyn Any = io;
        while !io.is::<Self>() {
            let Some(boxed) = io.downcast_mut::<BoxStream>() else {
                return;
            };
            io = boxed.inner_mut();
        }
        if let Some(metered) = io.downcast_mut::<Self>() {
            metered.meters = meters;
        }
    }

    /// Returns the stream in it, where no meter would miss what goes past it.
    pub(super) fn unmetered(&self) -> Option<&BoxStream> {
        (!self.meters.are_any()).then_some(&self.io)
    }

    pub(super) fn boxed_mut(&mut self) -> &mut BoxStream {
        &mut self.io
    }

    pub(super) fn boxed(&self) -> &BoxStream {
        &self.io
    }

    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_closed(cx)
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let allowance = ready!(this.meters.poll_allowance(cx, Direction::Up))?;
        let read = if allowance >= buf.remaining() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            buf.filled().len() - before
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowance));
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
            let read = part.filled().len();
            buf.advance(read);
            read
        };
        if read > 0 {
            this.meters.moved(Direction::Up, read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let allowance = ready!(this.meters.poll_allowance(cx, Direction::Down))?;
        let part = buf.get(..allowance).unwrap_or(buf);
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, part))?;
        if written > 0 {
            this.meters.moved(Direction::Down, written);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
