//! How much to ask a source for, from what the reads before have met.

use crate::io::LARGEST;

/// What a tunnel starts to read with, in bytes. It doubles while reads fill it and writes keep up.
const SMALLEST: usize = 16 * 1024;

/// A read of so many bytes is a large one.
#[cfg(target_os = "linux")]
const LARGE: usize = 32 * 1024;

/// So many bytes in large reads, one after the other, are bulk.
#[cfg(target_os = "linux")]
const BULK: usize = 512 * 1024;

/// What one direction has learned.
#[derive(Debug)]
pub(super) struct ReadSize {
    /// Bytes to ask for.
    pub(super) window: usize,
    /// Bytes that came in large reads, one after the other.
    #[cfg(target_os = "linux")]
    bulk: usize,
}

impl ReadSize {
    pub(super) const fn new() -> Self {
        Self {
            window: SMALLEST,
            #[cfg(target_os = "linux")]
            bulk: 0,
        }
    }

    /// Fits the next read to one of `read` bytes, where `window` was asked for. `taken` says whether
    /// the sink took all of them at once.
    pub(super) fn learn(&mut self, read: usize, window: usize, taken: bool) {
        #[cfg(target_os = "linux")]
        {
            let large = read >= LARGE.min(window);
            self.bulk = if large { self.bulk + read } else { 0 };
        }
        if !taken {
            // What a slow sink makes us keep is halved every time.
            self.window = (window / 2).max(SMALLEST);
        } else if read == window {
            self.window = (window * 2).min(LARGEST);
        } else if read < SMALLEST {
            self.window = SMALLEST;
        }
    }

    /// Whether the data that comes is worth a pipe.
    #[cfg(target_os = "linux")]
    pub(super) const fn is_bulk(&self) -> bool {
        self.bulk >= BULK
    }
}
