use std::{
    cell::Cell,
    fmt, io,
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

/// Octets of frames that are written at once, and one frame at least.
const AT_ONCE: usize = 64 * 1024;

/// Writes datagrams to a stream as frames, many in one system call.
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

    /// Drops what [`write`](Self::write) would drop of `batch`, as far as that is known: with nothing that waits, the
    /// stream may take more than `most` octets at once. What was dropped is noted in the batch. Returns `true` if there
    /// were some beyond.
    pub(crate) fn drop_beyond(&self, batch: &mut Datagrams, most: usize) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut waiting = self.waiting();
        let mut is_beyond = false;
        batch.retain_mut(|address, payload| {
            let header = self.framing.encode_header(address, payload.len());
            let len = header.ok_or(DropReason::Unsendable)?.len() + payload.len();
            if waiting + len > most {
                is_beyond = true;
                return Err(DropReason::Overflow);
            }
            waiting += len;
            Ok(true)
        });
        is_beyond
    }

    /// Writes all of `batch` as frames, and takes it out. What the stream does not take is kept, for
    /// [`poll_flush`](Self::poll_flush), up to `most` octets of frames, or one frame where that is larger.
    ///
    /// Datagrams beyond that are dropped as [`DropReason::Overflow`], and those that fit into no frame as
    /// [`DropReason::Unsendable`]: what was dropped is noted in the batch. Returns `true` if there were some beyond.
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
    ) -> io::Result<bool> {
        if self.is_empty() {
            lend(&FRAMES, Vec::new, |frames| {
                while !batch.is_empty() && self.is_empty() {
                    frames.clear();
                    self.encode(batch, most.min(AT_ONCE), frames);
                    let written = Self::poll_octets(cx, io, frames, &mut self.is_dirty)?;
                    let rest = frames.get(written..).unwrap_or_default();
                    self.unsent = rest.to_vec();
                    self.written = 0;
                }
                io::Result::Ok(())
            })?;
        } else if self.written > 0 {
            self.unsent.drain(..self.written);
            self.written = 0;
        }
        if batch.is_empty() {
            return Ok(false);
        }
        let mut unsent = std::mem::take(&mut self.unsent);
        self.encode(batch, most, &mut unsent);
        self.unsent = unsent;
        let beyond = batch.len();
        batch.dropped(DropReason::Overflow, beyond);
        batch.clear();
        Ok(beyond > 0)
    }

    /// Appends the frames of a batch to `frames`, as long as those have no more than `most` octets then, or one
    /// at least. Takes those datagrams out, and drops what fits into no frame.
    fn encode(&self, batch: &mut Datagrams, most: usize, frames: &mut Vec<u8>) {
        let (mut taken, mut unsendable) = (0, 0);
        for (address, payload) in batch.iter() {
            if let Some(header) = self.framing.encode_header(address, payload.len()) {
                let len = frames.len() + header.len() + payload.len();
                if !frames.is_empty() && len > most {
                    break;
                }
                frames.extend_from_slice(&header);
                frames.extend_from_slice(payload);
            } else {
                unsendable += 1;
            }
            taken += 1;
        }
        batch.take_first(taken);
        batch.dropped(DropReason::Unsendable, unsendable);
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
        self.waiting() == 0
    }

    /// Octets that the stream has not taken.
    fn waiting(&self) -> usize {
        self.unsent.len() - self.written
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

/// Without the octets, which are payloads.
impl fmt::Debug for FrameWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameWriter({} octets)", self.waiting())
    }
}
