use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Room for a whole handshake of usual size, in bytes, so that a client that sends it all at once
/// is read in one system call.
pub(crate) const CAPACITY: usize = 1024;

/// Who reads into so much room, in bytes, reads no messages any more, and needs nothing read ahead.
pub(super) const LARGE: usize = 512;

/// The time between two questions whether a peer is gone.
const WATCH: Duration = Duration::from_secs(1);

/// A stream behind a buffer of bytes that were read ahead.
///
/// Messages are read in small pieces, so that no byte of the next one is taken; the system is asked
/// for larger ones. What is left when the relay starts is early data and goes first (RFC 1928 lets
/// a client send it with the request). The buffer is freed once a reader brings one of 512 bytes or
/// more.
#[derive(Debug)]
pub struct PrefixedStream<Io> {
    io: Io,
    buffer: Box<[u8]>,
    /// The octets of `buffer` that hold data are `start..end`.
    start: usize,
    end: usize,
    ended: bool,
    /// The next time to ask whether the peer is gone, once there is no more room.
    watch: Option<Pin<Box<Sleep>>>,
}

impl<Io> PrefixedStream<Io> {
    /// Wraps a stream of which nothing was read ahead. Allocates with the first small read.
    pub fn new(io: Io) -> Self {
        Self {
            io,
            buffer: Box::default(),
            start: 0,
            end: 0,
            ended: false,
            watch: None,
        }
    }

    /// Wraps a stream, to read `bytes` before those of the stream.
    pub fn with_bytes(io: Io, bytes: impl Into<Box<[u8]>>) -> Self {
        let buffer = bytes.into();
        Self {
            io,
            start: 0,
            end: buffer.len(),
            buffer,
            ended: false,
            watch: None,
        }
    }

    /// Returns the bytes that were read ahead.
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the stream. Reading from it leaves out what was read ahead.
    pub const fn get_ref(&self) -> &Io {
        &self.io
    }

    /// Returns the stream, mutably. Reading from it leaves out what was read ahead.
    pub const fn get_mut(&mut self) -> &mut Io {
        &mut self.io
    }

    /// Returns the stream and the bytes that were read ahead.
    pub fn into_parts(self) -> (Io, Vec<u8>) {
        let bytes = self.buffered().to_vec();
        (self.io, bytes)
    }

    /// Returns `true` once nothing is left that was read ahead, and the buffer is freed: from here on this is the stream.
    #[inline]
    pub(super) const fn is_released(&self) -> bool {
        self.start == self.end && self.buffer.is_empty()
    }

    /// Takes octets out of those that were read ahead.
    pub(crate) fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
    }

    fn release(&mut self) {
        self.watch = None;
        self.buffer = Box::default();
        self.start = 0;
        self.end = 0;
    }
}

impl<Io: AsyncRead + Unpin> PrefixedStream<Io> {
    /// Reads ahead until there are so many octets, and returns all that were read ahead. What they say can
    /// then be looked at before it is read.
    ///
    /// There are fewer if the stream ends before, or if more than 1,024 are asked for.
    ///
    /// ```
    /// use tower_socks::io::PrefixedStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// let mut io = PrefixedStream::new(&b"\x05\x01\x00"[..]);
    /// assert_eq!(io.peek(1).await?.first(), Some(&5));
    /// let mut greeting = [0; 3];
    /// tokio::io::AsyncReadExt::read_exact(&mut io, &mut greeting).await?;
    /// assert_eq!(greeting, [5, 1, 0]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the stream fails.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read stays in the stream.
    pub async fn peek(&mut self, octets: usize) -> io::Result<&[u8]> {
        poll_fn(|cx| self.poll_peek(cx, octets)).await?;
        Ok(self.buffered())
    }

    /// Ready once there are so many octets, or will be no more.
    pub(crate) fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        octets: usize,
    ) -> Poll<io::Result<()>> {
        while self.buffered().len() < octets.min(CAPACITY) && !self.ended {
            ready!(self.poll_fill(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads ahead. Ready at the end of the stream and on an error; never once there is no more
    /// room.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended {
            if self.is_full() {
                return Poll::Pending;
            }
            ready!(self.poll_fill(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads ahead once. `false` at the end of the stream, and without room.
    pub(crate) async fn read_ahead(&mut self) -> io::Result<bool> {
        if self.ended || self.is_full() {
            return Ok(false);
        }
        poll_fn(|cx| self.poll_fill(cx)).await?;
        Ok(!self.ended)
    }

    /// Returns `true` if there is no more room to read ahead.
    pub(super) const fn is_full(&self) -> bool {
        self.start == 0 && self.end >= CAPACITY
    }

    /// Ready after a second, for as long as somebody asks.
    pub(super) fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let watch = self.watch.get_or_insert_with(|| Box::pin(sleep(WATCH)));
        ready!(watch.as_mut().poll(cx));
        self.watch = None;
        Poll::Ready(())
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < CAPACITY {
            let mut larger = vec![0; CAPACITY];
            if let (Some(room), Some(kept)) =
                (larger.get_mut(..self.end), self.buffer.get(..self.end))
            {
                room.copy_from_slice(kept);
            }
            self.buffer = larger.into_boxed_slice();
        }
        let mut room = ReadBuf::new(self.buffer.get_mut(self.end..).unwrap_or_default());
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        self.end += read;
        self.ended = read == 0;
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for PrefixedStream<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.start == this.end {
            if this.ended || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if buf.remaining() >= LARGE {
                this.release();
                return Pin::new(&mut this.io).poll_read(cx, buf);
            }
            this.start = 0;
            this.end = 0;
            ready!(this.poll_fill(cx))?;
        }
        let bytes = this.buffer.get(this.start..this.end).unwrap_or_default();
        let taken = bytes.len().min(buf.remaining());
        buf.put_slice(bytes.get(..taken).unwrap_or_default());
        this.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for PrefixedStream<Io> {
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
