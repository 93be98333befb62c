//! A stream that gives no more than an answer may have.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::BoxStream;

/// Octets of one answer.
const LONGEST: usize = 1 << 20;

/// How many octets may still come.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(LONGEST)))
    }

    /// Begins another answer.
    pub(super) fn renew(&self) {
        self.0.store(LONGEST, Ordering::Relaxed);
    }
}

pub(super) struct Bounded {
    pub(super) io: BoxStream,
    pub(super) allowance: Allowance,
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        let len = buf.filled().len() - before;
        let most = |left: usize| left.checked_sub(len);
        let left = self
            .allowance
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, most);
        match left {
            Ok(_) => read,
            Err(_) => Poll::Ready(Err(io::Error::other("the answer has more than 1 MiB"))),
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
