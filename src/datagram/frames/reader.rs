use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    io::{with_scratch, yield_turn},
    proto::{Address, Decoded, FrameHeader, Framing, InvalidName},
};

/// Octets that are read at once, behind those of a frame that is not whole.
const AT_ONCE: usize = 64 * 1024;

/// Reads that make no frame whole, in one poll, before other tasks get their turn.
const READS: usize = 4;

/// A datagram of a frame: where it goes or comes from, and its payload.
pub(crate) type Framed<'a> = (Option<Result<Address, InvalidName>>, &'a [u8]);

/// Reads frames from a stream.
#[derive(Debug)]
pub(crate) struct FrameReader {
    framing: Framing,
    /// Octets that were read and not taken: the beginning of a frame, or whole frames that were too many.
    kept: Vec<u8>,
    has_whole: bool,
}

impl FrameReader {
    /// Creates a reader that continues behind octets that were read already.
    pub(crate) const fn new(framing: Framing, kept: Vec<u8>) -> Self {
        Self {
            framing,
            has_whole: !kept.is_empty(),
            kept,
        }
    }

    /// Reads once, and calls `each` with the datagram of each frame that is whole, one at least, until their
    /// payloads have `most` octets together; frames that are left come first the next time. Ready with `false` at
    /// the end of the stream.
    ///
    /// # Errors
    ///
    /// That of the stream; [`io::ErrorKind::InvalidData`] where a frame is malformed, since nobody knows where the next
    /// one begins, and [`io::ErrorKind::UnexpectedEof`] for an end within a frame.
    pub(crate) fn poll_read<Io: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        most: usize,
        mut each: impl FnMut(Framed<'_>),
    ) -> Poll<io::Result<bool>> {
        if self.has_whole {
            let kept = std::mem::take(&mut self.kept);
            let (taken, frames) = self.take_frames(&kept, most, &mut each)?;
            self.keep(kept, taken);
            if frames > 0 {
                return Poll::Ready(Ok(true));
            }
        }
        for _ in 0..READS {
            let frames = with_scratch(|buffer| {
                // Room in front for what is kept, which is copied only once there is more.
                let front = self.kept.len();
                let room = buffer.get_mut(front..front + AT_ONCE).unwrap_or_default();
                let mut room = ReadBuf::new(room);
                ready!(Pin::new(&mut *io).poll_read(cx, &mut room))?;
                let read = room.filled().len();
                if read == 0 {
                    return Poll::Ready(Ok(None));
                }
                if let Some(room) = buffer.get_mut(..front) {
                    room.copy_from_slice(&self.kept);
                }
                let octets = buffer.get(..front + read).unwrap_or_default();
                let (taken, frames) = self.take_frames(octets, most, &mut each)?;
                self.kept.clear();
                match octets.get(taken..) {
                    Some(rest) if !rest.is_empty() => self.kept.extend_from_slice(rest),
                    // An idle tunnel keeps no buffer.
                    _ => self.kept = Vec::new(),
                }
                Poll::Ready(io::Result::Ok(Some(frames)))
            });
            match ready!(frames)? {
                Some(0) => {}
                Some(_) => return Poll::Ready(Ok(true)),
                None if self.kept.is_empty() => return Poll::Ready(Ok(false)),
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    fn keep(&mut self, mut octets: Vec<u8>, taken: usize) {
        if taken < octets.len() {
            octets.drain(..taken);
            self.kept = octets;
        }
    }

    /// Takes whole frames from the front of `octets`. Returns the octets that they took, and their number.
    fn take_frames(
        &mut self,
        octets: &[u8],
        most: usize,
        each: &mut impl FnMut(Framed<'_>),
    ) -> io::Result<(usize, usize)> {
        let (mut taken, mut frames, mut payloads) = (0, 0, 0);
        self.has_whole = false;
        loop {
            let rest = octets.get(taken..).unwrap_or_default();
            let header = self.framing.decode_header(rest);
            let header =
                header.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let Decoded::Done(FrameHeader { address, len }, header_len) = header else {
                break;
            };
            let end = header_len + usize::from(len);
            let Some(payload) = rest.get(header_len..end) else {
                break;
            };
            if frames > 0 && payloads + payload.len() > most {
                self.has_whole = true;
                break;
            }
            each((address, payload));
            taken += end;
            frames += 1;
            payloads += payload.len();
        }
        Ok((taken, frames))
    }
}
