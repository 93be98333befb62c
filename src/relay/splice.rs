//! Splicing of one direction through a pipe.

use std::{
    io,
    task::{Context, Poll, ready},
};

use super::{error::Broken, gate::Gate, pipe_pool::Pipe};
use crate::io::{Raw, yield_turn};

/// A fill below this, in bytes, is not bulk data.
const THIN: usize = 16 * 1024;

/// After so many thin fills in a row, reads and writes are cheaper.
const PATIENCE: u8 = 8;

/// Fills in one poll, before the task yields.
const ROUNDS: usize = 8;

/// The state of a direction that moves bulk data. Boxed, since most directions never have one.
#[derive(Debug, Default)]
pub(super) struct Splice(Box<Spliced>);

#[derive(Debug, Default)]
struct Spliced {
    pipe: Option<Box<Pipe>>,
    thin: u8,
}

/// The reason why a direction does not go on splicing.
#[derive(Debug)]
pub(super) enum Left {
    /// Nothing came, and everything is written. Only a read can tell the end, urgent data and an
    /// idle source apart: before an urgent mark, `splice` says one of the first two while there is
    /// data.
    Unsure,
    /// Reads and writes are better from here. These bytes were in the pipe.
    Unfit(Vec<u8>),
}

impl Splice {
    /// Moves bytes from socket to socket, and adds those written to `moved`. With `look`, a source of which tokio knows
    /// nothing is left to the next read.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: Raw<'_>,
        sink: Raw<'_>,
        moved: &mut u64,
        gate: &mut Gate<'_>,
        look: bool,
    ) -> Poll<Result<Left, Broken>> {
        for _ in 0..ROUNDS {
            if let Some(left) = ready!(self.poll_drain(cx, sink, moved))? {
                return Poll::Ready(Ok(left));
            }
            if let Some(left) = ready!(self.poll_fill(cx, source, gate, look))? {
                return Poll::Ready(Ok(left));
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Ready once the pipe is empty.
    fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        sink: Raw<'_>,
        moved: &mut u64,
    ) -> Poll<Result<Option<Left>, Broken>> {
        while let Some(pipe) = self.0.pipe.as_mut().filter(|pipe| pipe.held() > 0) {
            ready!(sink.poll_write_ready(cx)).map_err(Broken::Sink)?;
            match sink.try_write(|socket| pipe.drain(socket)) {
                Ok(0) => return Poll::Ready(Err(Broken::Sink(io::ErrorKind::WriteZero.into()))),
                Ok(drained) => *moved += drained as u64,
                Err(error) if retry(&error) => {}
                // This pair of sockets does not splice after all.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let bytes = pipe.empty().map_err(Broken::Source)?;
                    return Poll::Ready(Ok(Some(Left::Unfit(bytes))));
                }
                Err(error) => return Poll::Ready(Err(Broken::Sink(error))),
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Ready once something is in the pipe.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: Raw<'_>,
        gate: &mut Gate<'_>,
        look: bool,
    ) -> Poll<Result<Option<Left>, Broken>> {
        if self.0.thin >= PATIENCE {
            self.0.thin = 0;
            return self.unfit();
        }
        loop {
            let Poll::Ready(allowance) = gate.poll(cx) else {
                // Not for a while: another tunnel has more use for the pipe.
                self.give_back();
                return Poll::Pending;
            };
            let allowance = allowance?;
            match source.poll_read_ready(cx) {
                Poll::Ready(ready) => ready.map_err(Broken::Source)?,
                Poll::Pending if look => return Poll::Ready(Ok(Some(Left::Unsure))),
                Poll::Pending => {
                    // Idle: another tunnel has more use for the pipe.
                    self.give_back();
                    return Poll::Pending;
                }
            }
            let mut pipe = match self.0.pipe.take().map_or_else(Pipe::take, Ok) {
                Ok(pipe) => pipe,
                Err(_) => return self.unfit(),
            };
            let filled = source.try_read(|socket| match pipe.fill(socket, allowance) {
                // Tokio is not told: it would wait for more, with data there.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                filled => filled,
            });
            self.0.pipe = Some(pipe);
            match filled {
                Ok(0) => return Poll::Ready(Ok(Some(Left::Unsure))),
                Ok(filled) => {
                    gate.moved(filled);
                    self.0.thin = if filled < THIN.min(allowance) {
                        self.0.thin.saturating_add(1)
                    } else {
                        0
                    };
                    return Poll::Ready(Ok(None));
                }
                Err(error) if retry(&error) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::InvalidInput | io::ErrorKind::OutOfMemory
                    ) =>
                {
                    return self.unfit();
                }
                Err(error) => return Poll::Ready(Err(Broken::Source(error))),
            }
        }
    }

    fn unfit(&mut self) -> Poll<Result<Option<Left>, Broken>> {
        self.give_back();
        Poll::Ready(Ok(Some(Left::Unfit(Vec::new()))))
    }

    /// Gives the pipe away while nothing comes: another tunnel has more use for it.
    pub(super) fn give_back(&mut self) {
        if let Some(pipe) = self.0.pipe.take() {
            pipe.give_back();
        }
    }
}

/// Not ready after all: tokio has taken note, and the next poll waits.
fn retry(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
