use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{cut, malformed};
use crate::{
    io::{with_scratch, yield_turn},
    proto::{Address, Decoded, FrameHeader, Framing, InvalidName},
};

/// Octets that are read at once, behind those of a frame that is not whole.
const AT_ONCE: usize = 64 * 1024;

/// Datagrams at once. Empty ones have frames of two octets, and each costs a system call.
const MOST: usize = 256;

/// Reads that make no frame whole, in one poll, before other tasks get their turn.
const READS: usize = 4;

/// A datagram of a frame: where it goes or comes from, and its payload. A name that cannot be a host's costs this
/// datagram alone.
pub(crate) type Framed<'a> = (Option<Result<Address, InvalidName>>, &'a [u8]);

/// Reads frames from a stream.
pub(crate) struct FrameReader {
    framing: Framing,
    /// Octets that were read and not taken: the beginning of a frame, or frames that were too many. No more than
    /// one read has brought, behind less than one frame.
    kept: Vec<u8>,
    /// Octets that `kept` must have at least before there is something in it to take.
    wanted: usize,
}

impl FrameReader {
    /// Creates a reader that continues behind octets that were read already.
    pub(crate) const fn new(framing: Framing, kept: Vec<u8>) -> Self {
        Self {
            framing,
            kept,
            wanted: 1,
        }
    }

    /// Calls `each` with the datagram of each frame that is whole, until their payloads have `most` octets together,
    /// or one datagram where that is larger; frames that are left come first the next time. Reads once, where none is
    /// left of the last time. Ready with `false` at the end of the stream.
    ///
    /// # Errors
    ///
    /// That of the stream; [`io::ErrorKind::InvalidData`] where a frame is malformed, since nobody knows where the next
    /// one begins, and [`io::ErrorKind::UnexpectedEof`] for an end within a frame. What came before has been taken
    /// by then.
    pub(crate) fn poll_read<Io: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        most: usize,
        mut each: impl FnMut(Framed<'_>),
    ) -> Poll<io::Result<bool>> {
        if self.kept.len() >= self.wanted {
            let kept = std::mem::take(&mut self.kept);
            let taken = self.take(&kept, most, &mut each)?;
            self.keep(kept.get(taken..).unwrap_or_default());
            if taken > 0 {
                return Poll::Ready(Ok(true));
            }
        }
        for _ in 0..READS {
            let taken = with_scratch(|buffer| self.poll_once(cx, io, buffer, most, &mut each));
            match ready!(taken)? {
                Some(0) => {}
                Some(_) => return Poll::Ready(Ok(true)),
                None if self.kept.is_empty() => return Poll::Ready(Ok(false)),
                None => return Poll::Ready(Err(cut())),
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Reads once. Ready with the octets of the frames that were taken, or `None` at the end.
    fn poll_once<Io: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        buffer: &mut [u8],
        most: usize,
        each: &mut impl FnMut(Framed<'_>),
    ) -> Poll<io::Result<Option<usize>>> {
        // Room in front for what is kept, which is copied only once there is something to take.
        let front = self.kept.len();
        let Some(room) = buffer.get_mut(front..front + AT_ONCE) else {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        };
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(io).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            return Poll::Ready(Ok(None));
        }
        if front + read < self.wanted {
            self.kept.extend_from_slice(room.filled());
            return Poll::Ready(Ok(Some(0)));
        }
        if let Some(room) = buffer.get_mut(..front) {
            room.copy_from_slice(&self.kept);
        }
        let octets = buffer.get(..front + read).unwrap_or_default();
        let taken = self.take(octets, most, each)?;
        self.keep(octets.get(taken..).unwrap_or_default());
        Poll::Ready(Ok(Some(taken)))
    }

    /// Keeps what is left, in no more room than it takes: an idle tunnel keeps no buffer.
    fn keep(&mut self, rest: &[u8]) {
        self.kept = rest.to_vec();
    }

    /// Takes frames that are whole from the front of `octets`. Returns the octets of those.
    fn take(
        &mut self,
        octets: &[u8],
        most: usize,
        each: &mut impl FnMut(Framed<'_>),
    ) -> io::Result<usize> {
        let (mut taken, mut payloads) = (0, 0_usize);
        self.wanted = 1;
        for frames in 0..MOST {
            let rest = octets.get(taken..).unwrap_or_default();
            let (address, header_len, len) = match self.framing.decode_header(rest) {
                Ok(Decoded::Done(FrameHeader { address, len }, header_len)) => {
                    (address, header_len, usize::from(len))
                }
                Ok(Decoded::Need(missing)) => {
                    self.wanted = rest.len() + missing;
                    break;
                }
                // Those in front of it are sent first, and it is found again.
                Err(_) if frames > 0 => break,
                Err(error) => return Err(malformed(error)),
            };
            let Some(payload) = rest.get(header_len..header_len + len) else {
                self.wanted = header_len + len;
                break;
            };
            payloads += len;
            if frames > 0 && payloads > most {
                break;
            }
            each((address, payload));
            taken += header_len + len;
        }
        Ok(taken)
    }
}

/// Without the octets, which are payloads.
impl fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameReader({} octets)", self.kept.len())
    }
}
