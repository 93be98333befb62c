//! The stream of a socket whose datagrams travel in frames: both halves write to it, and one reads.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wakers::{Half, Wakers};
use crate::{
    client::ClientError,
    datagram::{Datagrams, FrameWriter},
    error::Step,
    io::shut,
    proto::{Framing, UdpOverTcpRequest},
};

/// The stream, and what it has not taken yet. No half keeps it to itself while it waits.
pub(super) struct FrameStream<Io> {
    /// `None` once the association is over.
    open: Mutex<Option<Open<Io>>>,
    wakers: Arc<Wakers>,
}

struct Open<Io> {
    io: Io,
    framing: Framing,
    /// Goes in one write with the first frame.
    request: Option<UdpOverTcpRequest>,
    writer: FrameWriter,
    /// Something was written, and not all of it has left.
    is_unfinished: bool,
    /// Says that this is the end, which inside TLS is more than closing. Not part of a bound, since that would be one of
    /// who drops a socket.
    shut: fn(&mut Io),
}

impl<Io: AsyncWrite + Unpin> FrameStream<Io> {
    pub(super) fn new(io: Io, framing: Framing, request: Option<UdpOverTcpRequest>) -> Self {
        Self {
            open: Mutex::new(Some(Open {
                io,
                framing,
                request,
                writer: FrameWriter::new(framing, Vec::new()),
                is_unfinished: false,
                shut,
            })),
            wakers: Arc::default(),
        }
    }
}

impl<Io> FrameStream<Io> {
    fn lock(&self) -> MutexGuard<'_, Option<Open<Io>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the stream. `false` if it was.
    pub(super) fn end(&self) -> bool {
        let open = self.lock().take();
        self.wakers.wake_both();
        open.map(|mut open| (open.shut)(&mut open.io)).is_some()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().is_none()
    }

    /// Closes the stream after an error of it.
    pub(super) fn lost(&self, error: impl FnOnce() -> ClientError) -> io::Error {
        match self.end() {
            true => error(),
            false => closed(),
        }
        .into()
    }
}

pub(super) const fn closed() -> ClientError {
    ClientError::Closed { step: Step::Relay }
}

pub(super) const fn broken(source: io::Error) -> ClientError {
    let step = Step::Relay;
    ClientError::Io { step, source }
}

impl<Io: AsyncWrite + Unpin> FrameStream<Io> {
    /// Writes the datagrams as frames, once those before them have left, and takes them out. What the stream does not
    /// take at once leaves with the next call of any half.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        batch: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        self.poll(Half::Sender, cx, |open, cx| {
            match open.request.take() {
                // Behind the request.
                Some(request) => open.begin(&request),
                None => ready!(open.poll_flush(cx))?,
            }
            open.is_unfinished = true;
            open.writer.write(cx, &mut open.io, batch, usize::MAX)?;
            match open.poll_flush(cx) {
                Poll::Ready(flushed) => Poll::Ready(flushed),
                Poll::Pending => Poll::Ready(Ok(())),
            }
        })
    }

    /// Ready once the stream has taken everything.
    pub(super) fn poll_flush(&self, half: Half, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll(half, cx, |open, cx| {
            if let Some(request) = open.request.take() {
                open.begin(&request);
                open.is_unfinished = true;
            }
            open.poll_flush(cx)
        }))?;
        Poll::Ready(Ok(()))
    }

    /// Writes what waits, for the sender's half as well, which may have nothing more to say.
    pub(super) fn poll_unfinished(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let is_idle = |open: &Open<Io>| !open.is_unfinished && open.request.is_none();
        if self.lock().as_ref().is_none_or(is_idle) {
            return Ok(());
        }
        if let Poll::Ready(flushed) = self.poll_flush(Half::Receiver, cx) {
            flushed?;
            self.wakers.wake_half(Half::Sender);
        }
        Ok(())
    }

    fn poll<T>(
        &self,
        half: Half,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Open<Io>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let written = match &mut *self.lock() {
            Some(open) => {
                self.wakers.register(half, cx.waker());
                let both = Waker::from(Arc::clone(&self.wakers));
                ready!(write(open, &mut Context::from_waker(&both)))
            }
            None => return Poll::Ready(Err(closed().into())),
        };
        Poll::Ready(written.map_err(|source| self.lost(|| broken(source))))
    }
}

impl<Io: AsyncWrite + Unpin> Open<Io> {
    /// Puts the request in front of the first frame.
    fn begin(&mut self, request: &UdpOverTcpRequest) {
        self.writer = FrameWriter::new(self.framing, request.encode().to_vec());
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_unfinished {
            ready!(self.writer.poll_flush(cx, &mut self.io))?;
            self.is_unfinished = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads; at its end once the association is over.
impl<Io: AsyncRead + Unpin> AsyncRead for &FrameStream<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self.lock() {
            Some(open) => {
                self.wakers.register(Half::Receiver, cx.waker());
                Pin::new(&mut open.io).poll_read(cx, buf)
            }
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Without what waits: that is payloads.
impl<Io> fmt::Debug for FrameStream<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameStream").finish_non_exhaustive()
    }
}
