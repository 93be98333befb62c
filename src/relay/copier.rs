//! The copy loop of one direction.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(target_os = "linux")]
use super::splice::Splice;
use super::{error::Broken, gate::Gate, read_size::ReadSize, urgent::Urgent};
use crate::io::{Raw, poll_discard, with_scratch, yield_turn};

/// Reads in one poll, before the task yields.
pub(super) const ROUNDS: usize = 16;

#[derive(Debug)]
enum State {
    /// Bytes are copied.
    Open,
    /// The source has ended and everything is written; the sink is to be shut down.
    Ending,
    /// The sink takes nothing more. What still comes is discarded, so that closing the source does
    /// not reset it while it reads what the sink has sent last.
    Discarding,
    /// The source has ended, and the sink is shut down.
    Ended,
}

/// Copies from a source to a sink until the source ends, and then ends the sink.
#[derive(Debug)]
pub(super) struct Copier {
    state: State,
    /// Bytes written.
    pub(super) moved: u64,
    pub(super) read_size: ReadSize,
    /// What the sink has not taken yet, from `spilled` on.
    pub(super) spill: Vec<u8>,
    spilled: usize,
    /// Whether something was written since the last flush.
    dirty: bool,
    /// The error for which the sink takes nothing more.
    pub(super) refused: Option<io::Error>,
    #[cfg(target_os = "linux")]
    pub(super) may_splice: bool,
    #[cfg(target_os = "linux")]
    pub(super) splice: Option<Splice>,
    pub(super) urgent: Urgent,
}

impl Copier {
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
    pub(super) const fn new(may_splice: bool) -> Self {
        Self {
            state: State::Open,
            moved: 0,
            read_size: ReadSize::new(),
            spill: Vec::new(),
            spilled: 0,
            dirty: false,
            refused: None,
            #[cfg(target_os = "linux")]
            may_splice,
            #[cfg(target_os = "linux")]
            splice: None,
            urgent: Urgent::new(),
        }
    }

    /// Returns `true` once nothing more will be written to the sink.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.state, State::Discarding | State::Ended)
    }

    /// Returns `true` while what the source sends is discarded.
    pub(super) const fn is_discarding(&self) -> bool {
        matches!(self.state, State::Discarding)
    }

    /// Returns `true` if the sink was reset. A peer that had ended its side before would have made
    /// that a broken pipe.
    pub(super) fn met_reset(&self) -> bool {
        let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        self.refused.as_ref().is_some_and(reset)
    }

    /// Moves what can be moved; `opposite` is the other direction.
    ///
    /// # Errors
    ///
    /// When the source failed, or a meter ended it. A sink that failed is remembered in `refused`.
    pub(super) fn poll<S, D>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        sink: &mut D,
        opposite: &Self,
        mut gate: Gate<'_>,
    ) -> Poll<Result<(), Broken>>
    where
        S: AsyncRead + Unpin + 'static,
        D: AsyncWrite + Unpin + 'static,
    {
        loop {
            match self.state {
                State::Open => match ready!(self.poll_open(cx, source, sink, &mut gate)) {
                    // A socket reports a reset once, and then an end that looks complete.
                    Ok(()) if opposite.met_reset() => {
                        let reset = io::ErrorKind::ConnectionReset.into();
                        return Poll::Ready(Err(Broken::Source(reset)));
                    }
                    Ok(()) => self.state = State::Ending,
                    Err(Broken::Sink(error)) => self.refuse(error, State::Discarding),
                    Err(broken) => return Poll::Ready(Err(broken)),
                },
                // The socket is about to be closed, which says the same in one call less.
                State::Ending if opposite.is_done() && Raw::of(sink).is_some() => {
                    self.state = State::Ended
                }
                State::Ending => match ready!(Pin::new(&mut *sink).poll_shutdown(cx)) {
                    Ok(()) => self.state = State::Ended,
                    Err(error) => self.refuse(error, State::Ended),
                },
                State::Discarding => match ready!(poll_discard(cx, source)) {
                    Ok(true) => {}
                    Ok(false) | Err(_) => self.state = State::Ended,
                },
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    fn refuse(&mut self, error: io::Error, state: State) {
        self.spill = Vec::new();
        self.refused = Some(error);
        self.state = state;
    }

    /// Ready once the source has ended and everything is written.
    fn poll_open<S, D>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        sink: &mut D,
        gate: &mut Gate<'_>,
    ) -> Poll<Result<(), Broken>>
    where
        S: AsyncRead + Unpin + 'static,
        D: AsyncWrite + Unpin + 'static,
    {
        #[cfg(target_os = "linux")]
        if let (Some(source), Some(sink)) = (Raw::of(source), Raw::of(sink)) {
            return self.poll_sockets(cx, source, sink, gate);
        }
        self.poll_streams(cx, source, sink, gate)
    }

    fn poll_streams<S, D>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        sink: &mut D,
        gate: &mut Gate<'_>,
    ) -> Poll<Result<(), Broken>>
    where
        S: AsyncRead + Unpin + 'static,
        D: AsyncWrite + Unpin + 'static,
    {
        for _ in 0..ROUNDS {
            ready!(self.poll_spill(|rest| Pin::new(&mut *sink).poll_write(cx, rest)))
                .map_err(Broken::Sink)?;
            match with_scratch(|buffer| self.poll_copy(cx, source, sink, gate, buffer)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if self.dirty {
                        ready!(Pin::new(&mut *sink).poll_flush(cx)).map_err(Broken::Sink)?;
                        self.dirty = false;
                    }
                    return Poll::Pending;
                }
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Writes what the sink has not taken. Ready once there is nothing of it.
    pub(super) fn poll_spill(
        &mut self,
        mut poll_write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        if self.spill.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self
            .spill
            .get(self.spilled..)
            .filter(|rest| !rest.is_empty())
        {
            match ready!(poll_write(rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => {
                    self.spilled += written;
                    self.moved += written as u64;
                    self.dirty = true;
                }
            }
        }
        self.spill = Vec::new();
        self.spilled = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads once, and writes as much of it as the sink takes. Ready with the number of bytes read.
    fn poll_copy<S, D>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        sink: &mut D,
        gate: &mut Gate<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Broken>>
    where
        S: AsyncRead + Unpin + 'static,
        D: AsyncWrite + Unpin,
    {
        let window = self.read_size.window.min(buffer.len());
        let most = window.min(ready!(gate.poll(cx))?);
        let mut buffer = ReadBuf::new(buffer.get_mut(..most).unwrap_or_default());
        #[cfg(target_os = "linux")]
        if self.urgent.is_due() {
            let read = self
                .urgent
                .read(Raw::of(source), buffer.initialize_unfilled());
            buffer.advance(read);
        }
        if buffer.filled().is_empty() {
            ready!(Pin::new(source).poll_read(cx, &mut buffer)).map_err(Broken::Source)?;
        }
        let bytes = buffer.filled();
        gate.moved(bytes.len());
        self.urgent.learn(bytes.len(), most);
        self.write(bytes, |rest| Pin::new(&mut *sink).poll_write(cx, rest))?;
        self.read_size
            .learn(bytes.len(), window, self.spill.is_empty());
        Poll::Ready(Ok(bytes.len()))
    }

    /// Writes what was read, and keeps what the sink does not take.
    #[inline]
    pub(super) fn write(
        &mut self,
        mut rest: &[u8],
        mut poll_write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Result<(), Broken> {
        while !rest.is_empty() {
            match poll_write(rest) {
                Poll::Ready(Ok(0)) => {
                    return Err(Broken::Sink(io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(written)) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.moved += written as u64;
                    self.dirty = true;
                }
                Poll::Ready(Err(error)) => return Err(Broken::Sink(error)),
                Poll::Pending => {
                    self.spill = rest.to_vec();
                    break;
                }
            }
        }
        Ok(())
    }
}
