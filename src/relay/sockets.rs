//! Copying from socket to socket: what a direction does once both of its ends are raw sockets.

use std::task::{Context, Poll, ready};

use super::{
    copier::{Copier, ROUNDS},
    error::Broken,
    gate::Gate,
    read_size::ReadSize,
    splice::{Left, Splice},
};
use crate::io::{Raw, with_scratch, yield_turn};

impl Copier {
    /// Ready once the source has ended and everything is written.
    pub(super) fn poll_sockets(
        &mut self,
        cx: &mut Context<'_>,
        source: Raw<'_>,
        sink: Raw<'_>,
        gate: &mut Gate<'_>,
    ) -> Poll<Result<(), Broken>> {
        // The last read has found less than it had room for: only tokio knows whether something has come since.
        let mut is_drained = false;
        for _ in 0..ROUNDS {
            ready!(self.poll_spill(|rest| sink.poll_send(cx, rest))).map_err(Broken::Sink)?;
            if self.is_bulk() {
                match ready!(self.poll_splice(cx, source, sink, gate))? {
                    // The read below tells.
                    Left::Unsure => {}
                    Left::Unfit(bytes) => {
                        self.spill = bytes;
                        continue;
                    }
                }
            }
            match with_scratch(|buffer| self.poll_move(cx, source, sink, gate, buffer, is_drained))
            {
                Poll::Ready(Ok(read)) if read > 0 => is_drained = self.urgent.is_possible(),
                outcome => {
                    // Nothing comes for now, or ever: another tunnel has more use for the pipe.
                    if let Some(splice) = &mut self.splice {
                        splice.give_back();
                    }
                    return outcome.map_ok(|_| ());
                }
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Reads once, and writes as much of it as the sink takes. Ready with the number of bytes read.
    fn poll_move(
        &mut self,
        cx: &mut Context<'_>,
        source: Raw<'_>,
        sink: Raw<'_>,
        gate: &mut Gate<'_>,
        buffer: &mut [u8],
        is_drained: bool,
    ) -> Poll<Result<usize, Broken>> {
        let window = self.read_size.window.min(buffer.len());
        let most = window.min(ready!(gate.poll(cx))?);
        let room = buffer.get_mut(..most).unwrap_or_default();
        if is_drained {
            ready!(source.poll_read_ready(cx)).map_err(Broken::Source)?;
        }
        let read = match self.urgent.read(Some(source), room) {
            0 => ready!(source.poll_receive(cx, room)).map_err(Broken::Source)?,
            read => read,
        };
        gate.moved(read);
        self.urgent.learn(read, most);
        let bytes = room.get(..read).unwrap_or_default();
        self.write(bytes, |rest| sink.poll_send(cx, rest))?;
        self.read_size.learn(read, window, self.spill.is_empty());
        Poll::Ready(Ok(read))
    }

    /// Returns `true` if this direction is to splice: it moves bulk data.
    fn is_bulk(&mut self) -> bool {
        if self.may_splice && self.splice.is_none() && self.read_size.is_bulk() {
            self.splice = Some(Splice::default());
        }
        self.splice.is_some()
    }

    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        source: Raw<'_>,
        sink: Raw<'_>,
        gate: &mut Gate<'_>,
    ) -> Poll<Result<Left, Broken>> {
        let Some(splice) = &mut self.splice else {
            return Poll::Ready(Ok(Left::Unfit(Vec::new())));
        };
        let look = self.urgent.is_due();
        let left = ready!(splice.poll(cx, source, sink, &mut self.moved, gate, look))?;
        if matches!(left, Left::Unfit(_)) {
            // To splice again takes as much bulk data as the first time.
            self.splice = None;
            self.read_size = ReadSize::new();
        }
        Poll::Ready(Ok(left))
    }
}
