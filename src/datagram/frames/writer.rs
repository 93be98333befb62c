use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use crate::{
    datagram::Datagrams,
    io::{DropReason, lend},
    proto::Framing,
};

thread_local! {
    static FRAMES: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

/// Writes datagrams to a stream as frames, many in one system call.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    framing: Framing,
    /// Octets that the stream has not taken, from `written` on.
    unsent: Vec<u8>,
    written: usize,
    /// Something was written since the last flush.
    is_dirty: bool,
}

impl FrameWriter {
    /// Creates a writer that begins with these octets.
    pub(crate) const fn new(framing: Framing, first: Vec<u8>) -> Self {
        Self {
            framing,
            unsent: first,
            written: 0,
            is_dirty: false,
        }
    }

    /// Writes all of `batch` as frames, and takes it out. What the stream does not take is kept, for
    /// [`poll_flush`](Self::poll_flush).
    ///
    /// Datagrams that would make that more than `most` octets, with the frames' headers, are dropped as
    /// [`DropReason::Overflow`], and those that fit into no frame as [`DropReason::Unsendable`]: what was dropped is
    /// noted in the batch.
    ///
    /// # Errors
    ///
    /// That of the stream.
    pub(crate) fn write<Io: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        batch: &mut Datagrams,
        most: usize,
    ) -> io::Result<()> {
        if self.is_empty() {
            return lend(&FRAMES, Vec::new, |frames| {
                frames.clear();
                self.encode(batch, most, frames);
                let written = Self::poll_octets(cx, io, frames, &mut self.is_dirty)?;
                if let Some(rest) = frames.get(written..).filter(|rest| !rest.is_empty()) {
                    self.unsent = rest.to_vec();
                }
                Ok(())
            });
        }
        let mut unsent = std::mem::take(&mut self.unsent);
        unsent.drain(..self.written);
        self.written = 0;
        self.encode(batch, most, &mut unsent);
        self.unsent = unsent;
        Ok(())
    }

    /// Appends the frames of a batch to `frames`.
    fn encode(&self, batch: &mut Datagrams, most: usize, frames: &mut Vec<u8>) {
        batch.retain_mut(|address, payload| {
            let header = self.framing.encode_header(address, payload.len());
            let header = header.ok_or(DropReason::Unsendable)?;
            if frames.len() + header.len() + payload.len() > most {
                return Err(DropReason::Overflow);
            }
            frames.extend_from_slice(&header);
            frames.extend_from_slice(payload);
            Ok(false)
        });
    }

    /// Ready once the stream has everything, and is flushed.
    ///
    /// # Errors
    ///
    /// That of the stream.
    pub(crate) fn poll_flush<Io: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
    ) -> Poll<io::Result<()>> {
        if !self.is_empty() {
            let rest = self.unsent.get(self.written..).unwrap_or_default();
            self.written += Self::poll_octets(cx, io, rest, &mut self.is_dirty)?;
            if !self.is_empty() {
                return Poll::Pending;
            }
            // An idle tunnel keeps no buffer.
            self.unsent = Vec::new();
            self.written = 0;
        }
        if self.is_dirty {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.is_dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the stream has taken everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.unsent.len() == self.written
    }

    /// Writes until the stream takes no more, which wakes the task once it does. Returns the octets that it took.
    fn poll_octets<Io: AsyncWrite + Unpin>(
        cx: &mut Context<'_>,
        io: &mut Io,
        octets: &[u8],
        is_dirty: &mut bool,
    ) -> io::Result<usize> {
        let mut written = 0;
        while let Some(rest) = octets.get(written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *io).poll_write(cx, rest)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(octets) => {
                    written += octets;
                    *is_dirty = true;
                }
                Poll::Pending => break,
            }
        }
        Ok(written)
    }
}
