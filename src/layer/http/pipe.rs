//! What is between hyper and the tunnel to an origin.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Octets between the tunnel and hyper, in each direction.
const PIPE: usize = 32 * 1024;

/// Creates both ends.
pub(super) fn pipe() -> (Near, Far) {
    let (near, far) = tokio::io::duplex(PIPE);
    let complete = Arc::new(AtomicBool::new(false));
    let far = Far {
        io: far,
        complete: Arc::clone(&complete),
    };
    let near = End {
        io: near,
        complete,
        is_flushed: false,
        is_broken: false,
    };
    (Near(Arc::new(Mutex::new(near))), far)
}

/// hyper's end. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Near(Arc<Mutex<End>>);

#[derive(Debug)]
struct End {
    io: DuplexStream,
    /// Whether the origin has ended its direction by itself.
    complete: Arc<AtomicBool>,
    /// Whether hyper has nothing left to write.
    is_flushed: bool,
    /// Whether the tunnel has broken off.
    is_broken: bool,
}

impl Near {
    fn lock(&self) -> MutexGuard<'_, End> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all that hyper has written is in the pipe, since it was polled last.
    pub(super) fn is_flushed(&self) -> bool {
        self.lock().is_flushed
    }

    /// Makes an end that the origin has not said a failure: the tunnel has broken off.
    pub(super) fn break_off(&self) {
        self.lock().is_broken = true;
    }
}

impl AsyncRead for Near {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut end = self.lock();
        let before = buf.filled().len();
        ready!(Pin::new(&mut end.io).poll_read(cx, buf))?;
        let ended = buf.filled().len() == before && buf.remaining() > 0;
        if ended && end.is_broken && !end.complete.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut end = self.lock();
        end.is_flushed = false;
        Pin::new(&mut end.io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut end = self.lock();
        ready!(Pin::new(&mut end.io).poll_flush(cx))?;
        end.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().io).poll_shutdown(cx)
    }
}

/// The tunnel's end. That it is shut down says that the origin has ended its direction.
#[derive(Debug)]
pub(super) struct Far {
    io: DuplexStream,
    complete: Arc<AtomicBool>,
}

impl AsyncRead for Far {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Far {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.complete.store(true, Ordering::Relaxed);
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
