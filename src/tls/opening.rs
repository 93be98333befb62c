use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The room for octets that are read ahead.
const ROOM: usize = 8;

/// A stream whose first octets are looked at before they are read.
#[derive(Debug)]
pub(super) struct Opening<Io> {
    pub(super) io: Io,
    first: [u8; ROOM],
    /// The octets of `first` that are still to be read.
    start: usize,
    end: usize,
}

impl<Io: AsyncRead + Unpin> Opening<Io> {
    pub(super) const fn new(io: Io) -> Self {
        Self {
            io,
            first: [0; ROOM],
            start: 0,
            end: 0,
        }
    }

    /// Reads up to eight octets ahead, in one read; none at the end of the stream.
    pub(super) async fn first(&mut self) -> io::Result<&[u8]> {
        self.end = tokio::io::AsyncReadExt::read(&mut self.io, &mut self.first).await?;
        Ok(self.first.get(..self.end).unwrap_or_default())
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Opening<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let ahead = this.first.get(this.start..this.end).unwrap_or_default();
        if ahead.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let taken = ahead.len().min(buf.remaining());
        buf.put_slice(ahead.get(..taken).unwrap_or_default());
        this.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Opening<Io> {
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
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
