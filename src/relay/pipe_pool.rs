//! Pipes for `splice(2)`, kept between uses.

use std::{cell::RefCell, io, os::fd::OwnedFd};

use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};

use super::pipe_quota::{self, Held};

/// The size that is asked for, in bytes, while there is room for it.
pub(super) const SIZE: usize = 1024 * 1024;

/// Below this a pipe moves less in a call than a read into the thread's buffer does.
const SMALLEST: usize = 64 * 1024;

/// Empty pipes that a thread keeps. More are in use only while that many directions move data.
const KEPT: usize = 16;

thread_local! {
    #[expect(clippy::vec_box, reason = "a pipe moves between here and a tunnel as a pointer")]
    static POOL: RefCell<Vec<Box<Pipe>>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub(super) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
    /// Counts while the pipe lives.
    _size: Held,
}

impl Pipe {
    /// An empty pipe, boxed so that a tunnel without one has room for a pointer only.
    pub(super) fn take() -> io::Result<Box<Self>> {
        let kept = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        match kept {
            Some(pipe) => Ok(pipe),
            None => Self::make().map(Box::new),
        }
    }

    fn make() -> io::Result<Self> {
        if pipe_quota::is_refused() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let large = pipe_quota::has_room(SIZE)
            .then(|| fcntl_setpipe_size(&writer, SIZE).ok())
            .flatten();
        // The default size has to do then, unless that was cut down as well.
        let size = large.map_or_else(|| fcntl_getpipe_size(&writer), Ok)?;
        if size < SMALLEST {
            pipe_quota::refused();
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(Self {
            reader,
            writer,
            held: 0,
            _size: Held::new(size),
        })
    }

    /// Keeps the pipe for the next one who asks, if it is empty and pipes are not short: those of this thread are
    /// of no use to the others.
    pub(super) fn give_back(self: Box<Self>) {
        if self.held == 0 && pipe_quota::has_room(0) {
            let _ = POOL.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < KEPT {
                    pool.push(self);
                }
            });
        }
    }

    /// Bytes in the pipe.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Moves what a socket has into the pipe, up to `most`; 0 at the end of the stream.
    pub(super) fn fill(&mut self, from: impl std::os::fd::AsFd, most: usize) -> io::Result<usize> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let moved = splice(from, None, &self.writer, None, SIZE.min(most), flags)?;
        self.held += moved;
        Ok(moved)
    }

    /// Moves what is in the pipe into a socket.
    pub(super) fn drain(&mut self, to: impl std::os::fd::AsFd) -> io::Result<usize> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let moved = splice(&self.reader, None, to, None, self.held, flags)?;
        self.held = self.held.saturating_sub(moved);
        Ok(moved)
    }

    /// Reads everything in the pipe into memory.
    pub(super) fn empty(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.held];
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match rustix::io::read(&self.reader, room)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        self.held = 0;
        Ok(bytes)
    }
}
