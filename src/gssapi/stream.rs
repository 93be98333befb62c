use std::{
    any::Any,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Context,
    incoming::{Incoming, invalid},
    protection::Protection,
};
use crate::{
    io::{ClientStream, Sealing},
    proto::{GssapiHeader, ProtectionLevel},
};

/// A stream whose octets travel in messages that a [`Context`] protects. See the [module](super).
///
/// What is read has been unwrapped: of a message that does not unwrap nothing is read, and the stream fails from then
/// on. What is written is wrapped at once, one message for each write, and goes out with the next write or flush
/// where the stream below does not take it. An idle stream owns no buffer.
///
/// Datagrams of UDP ASSOCIATE are [sealed](ClientStream::sealing) by the same context, each in a message of its own. What is put
/// around this stream has to hand that on: [`boxed`](ClientStream::boxed) does, and what stands around the box.
/// [`BoxStream::new`](crate::io::BoxStream::new) and [`PrefixedStream`](crate::io::PrefixedStream) take any stream and do not
/// know this one: box it by [`boxed`](ClientStream::boxed) before.
pub struct EncapsulatedStream<Io, C> {
    io: Io,
    /// Shared with what seals datagrams.
    protection: Arc<Protection<C>>,
    /// The octets of the longest message that is written; not 0.
    longest: usize,
    incoming: Incoming,
    /// What was unwrapped, and the octets of it that were read.
    message: Vec<u8>,
    read: usize,
    /// What was wrapped, and the octets of it that were written.
    outgoing: Vec<u8>,
    written: usize,
    failed: bool,
}

impl<Io, C: Context> EncapsulatedStream<Io, C> {
    /// Encapsulates a stream at a level: [`INTEGRITY`](ProtectionLevel::INTEGRITY),
    /// [`CONFIDENTIALITY`](ProtectionLevel::CONFIDENTIALITY), or [`SELECTIVE`](ProtectionLevel::SELECTIVE), where
    /// we encrypt and take what comes.
    ///
    /// # Errors
    ///
    /// For another level, where nothing is encapsulated, and where the context cannot say how long a message may be.
    pub fn new(io: Io, context: C, level: ProtectionLevel) -> io::Result<Self> {
        let protection = Protection::new(context, level)?;
        let longest = protection.longest(u16::MAX)?;
        if longest == 0 {
            return Err(io::Error::other("context has no room for a message"));
        }
        Ok(Self {
            io,
            protection: Arc::new(protection),
            longest,
            incoming: Incoming::default(),
            message: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            written: 0,
            failed: false,
        })
    }
}

impl<Io, C> EncapsulatedStream<Io, C> {
    /// Returns the stream below.
    pub const fn get_ref(&self) -> &Io {
        &self.io
    }

    /// Returns the stream below. What is read from it or written to it is missing among the messages.
    pub const fn get_mut(&mut self) -> &mut Io {
        &mut self.io
    }

    /// Returns the stream below. What was unwrapped and not read, and wrapped and not written, is lost.
    pub fn into_inner(self) -> Io {
        self.io
    }
}

impl<Io: AsyncRead + Unpin, C: Context> EncapsulatedStream<Io, C> {
    /// Polls for a message that has octets; `false` at the end.
    fn poll_message(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<bool>> {
        while self.message.is_empty() {
            let Some(token) = ready!(self.incoming.poll_token(cx, &mut self.io))? else {
                return Poll::Ready(Ok(false));
            };
            self.message = self.protection.unwrap(&token, false)?;
        }
        Poll::Ready(Ok(true))
    }
}

impl<Io: AsyncWrite + Unpin, C: Context> EncapsulatedStream<Io, C> {
    /// Writes what was wrapped.
    fn poll_drain(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .outgoing
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.outgoing = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn wrap(&mut self, message: &[u8]) -> io::Result<()> {
        let token = self.protection.wrap(message)?;
        let Ok(len) = u16::try_from(token.len()) else {
            return Err(io::Error::other("context made a token above 65535 octets"));
        };
        let head = GssapiHeader::Data(len).encode();
        self.outgoing = [&*head, &token].concat();
        Ok(())
    }
}

impl<Io: AsyncRead + Unpin, C: Context> AsyncRead for EncapsulatedStream<Io, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.failed {
            return Poll::Ready(Err(invalid("an earlier read failed")));
        }
        match ready!(self.poll_message(cx)) {
            Ok(true) => {}
            Ok(false) => return Poll::Ready(Ok(())),
            Err(error) => {
                self.failed = true;
                return Poll::Ready(Err(error));
            }
        }
        let rest = self.message.get(self.read..).unwrap_or_default();
        let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(now);
        if later.is_empty() {
            self.message = Vec::new();
            self.read = 0;
        } else {
            self.read += now.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin, C: Context> AsyncWrite for EncapsulatedStream<Io, C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let (message, _) = buf.split_at(buf.len().min(self.longest));
        if message.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.wrap(message)?;
        // The message is ours from here on, whether the stream below takes all of it now or later.
        match self.poll_drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(message.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<Io: ClientStream, C: Context> ClientStream for EncapsulatedStream<Io, C> {
    fn sealing(&mut self) -> Sealing {
        Sealing::Sealed(Arc::clone(&self.protection) as _)
    }

    fn beneath(&self) -> Option<&dyn Any> {
        Some(&self.io)
    }

    fn poll_closed(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_closed(cx)
    }
}

/// Without keys, and without what is on its road.
impl<Io, C> fmt::Debug for EncapsulatedStream<Io, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncapsulatedStream")
            .field("level", &self.protection.level())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
