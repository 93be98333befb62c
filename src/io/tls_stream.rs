use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::{CommonState, Connection};

use super::{BoxStream, scratch::with_tls_scratch};

/// The most plaintext that one write takes, in bytes: four records of the largest size.
const MOST: usize = 64 * 1024;

/// The least that is read from the transport at once, in bytes.
const LEAST: usize = 4 * 1024;

/// What a record of the largest size has in addition to its 16 KiB of plaintext, rounded up, in bytes.
const OVERHEAD: usize = 64;

/// A stream inside TLS, on either side of it: what a TLS layer hands on, and a TLS connector returns.
///
/// * **close_notify is a half-close**, in both directions: the end of what the peer sends is one, and
///   `shutdown` sends one and then ends the transport's side. A transport that ends without it is an error of
///   kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): anybody on the path can do that, and what has come is
///   not known to be all of it.
/// * **It reads in large pieces**, by a buffer of the thread: one system call brings several records. Between two
///   polls it keeps no more than a record that is not complete, and what its reader had no room for.
/// * **Renegotiation** is refused, and there are no early data.
///
/// Of what is written up to 64 KiB wait for a slow transport; `flush` waits until they have left.
pub struct TlsStream {
    io: BoxStream,
    session: Box<Connection>,
    /// Octets of the transport that the session has had no room for.
    ahead: Vec<u8>,
    /// The transport has ended.
    ended: bool,
    /// close_notify was sent.
    shut: bool,
}

impl TlsStream {
    /// Wraps a transport whose handshake is complete.
    pub(crate) fn new(io: BoxStream, session: impl Into<Connection>) -> Self {
        Self {
            io,
            session: Box::new(session.into()),
            ahead: Vec::new(),
            ended: false,
            shut: false,
        }
    }

    /// Returns the state of the session: versions, names and certificates that were agreed on.
    #[must_use]
    pub fn session(&self) -> &CommonState {
        &self.session
    }

    /// Returns the stream beneath, to look at.
    #[must_use]
    pub const fn transport(&self) -> &BoxStream {
        &self.io
    }

    /// Moves plaintext to the reader; `true` once there will be no more.
    fn take(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<bool> {
        while buf.remaining() > 0 {
            match io::Read::read(&mut self.session.reader(), buf.initialize_unfilled()) {
                Ok(0) => return Ok(true),
                Ok(read) => buf.advance(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Decrypts, and moves plaintext to the reader. Returns how much of `octets` the session has taken: all of
    /// it, but where the reader has no more room.
    fn feed(
        &mut self,
        cx: &mut Context<'_>,
        octets: &[u8],
        buf: &mut ReadBuf<'_>,
    ) -> io::Result<usize> {
        let mut left = octets;
        while !left.is_empty() && self.session.wants_read() {
            if self.session.read_tls(&mut left)? == 0 {
                break;
            }
            if let Err(error) = self.session.process_new_packets() {
                // The peer is told why, as far as it takes that at once.
                let _ = self.poll_drain(cx);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            if self.take(buf)? {
                // What is behind close_notify is none of the stream.
                return Ok(octets.len());
            }
        }
        Ok(octets.len() - left.len())
    }

    /// Reads from the transport once, and decrypts.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let records = buf.remaining() / (16 * 1024) + 1;
        let most = (buf.remaining() + records * OVERHEAD).max(LEAST);
        with_tls_scratch(|room| {
            let most = most.min(room.len());
            let mut octets = ReadBuf::new(room.get_mut(..most).unwrap_or_default());
            match Pin::new(&mut self.io).poll_read(cx, &mut octets) {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    self.shrink();
                    return Poll::Pending;
                }
            }
            let octets = octets.filled();
            if octets.is_empty() {
                self.ended = true;
                self.session.read_tls(&mut io::empty())?;
                return Poll::Ready(Ok(()));
            }
            let taken = self.feed(cx, octets, buf)?;
            self.ahead = octets.get(taken..).unwrap_or_default().to_vec();
            Poll::Ready(Ok(()))
        })
    }

    /// Makes the session give back the buffer of records that are complete.
    fn shrink(&mut self) {
        // Its buffer has the size of a small read once it is about to be read into.
        let _ = self.session.read_tls(&mut Blocked);
    }

    /// Writes records to the transport until there are no more.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let io = &mut self.io;
            match self.session.write_tls(&mut Writer { io, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Encrypts by `write`, once all of before has left, and writes what the transport takes.
    fn poll_encrypt(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.shut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_drain(cx))?;
        let written = write(&mut self.session.writer())?;
        match self.poll_drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What is left goes with the next write or flush.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(written)),
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if this.take(buf)? || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if !this.ahead.is_empty() {
                let octets = std::mem::take(&mut this.ahead);
                let taken = this.feed(cx, &octets, buf)?;
                this.ahead = octets.get(taken..).unwrap_or_default().to_vec();
                continue;
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if this.ended {
                // The session tells a cut from an end, above.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(this.poll_fill(cx, buf))?;
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let buf = buf.get(..MOST).unwrap_or(buf);
        self.get_mut()
            .poll_encrypt(cx, |session| session.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_encrypt(cx, |session| session.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            this.session.send_close_notify();
            this.shut = true;
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The session has keys.
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

/// The transport, as the session writes to it.
struct Writer<'a, 'b> {
    io: &'a mut BoxStream,
    cx: &'a mut Context<'b>,
}

impl io::Write for Writer<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.io).poll_write(self.cx, buf) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match Pin::new(&mut *self.io).poll_write_vectored(self.cx, bufs) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A transport that has nothing to read.
struct Blocked;

impl io::Read for Blocked {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
