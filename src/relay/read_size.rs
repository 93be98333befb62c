//! Adaptive read size.

use crate::io::LARGEST;

/// The first read size, in bytes. It doubles while reads fill it and writes keep up.
const SMALLEST: usize = 16 * 1024;

/// A read of so many bytes is large.
#[cfg(target_os = "linux")]
const LARGE: usize = 32 * 1024;

/// So many bytes in large reads in a row are bulk data.
#[cfg(target_os = "linux")]
const BULK: usize = 512 * 1024;

/// Adapts the size of the reads of one direction.
#[derive(Debug)]
pub(super) struct ReadSize {
    /// Bytes to ask for.
    pub(super) window: usize,
    /// Bytes that came in large reads in a row.
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

    /// Adapts to a read of `read` bytes, where `window` was asked for. `taken` is whether the sink
    /// took all of them at once.
    pub(super) fn learn(&mut self, read: usize, window: usize, taken: bool) {
        #[cfg(target_os = "linux")]
        {
            let large = read >= LARGE.min(window);
            self.bulk = if large {
                self.bulk.saturating_add(read)
            } else {
                0
            };
        }
        if !taken {
            // What is kept for a slow sink is halved every time.
            self.window = (window / 2).max(SMALLEST);
        } else if read == window {
            self.window = (window * 2).min(LARGEST);
        } else if read < SMALLEST {
            self.window = SMALLEST;
        }
    }

    /// Returns `true` once the data is worth a pipe.
    #[cfg(target_os = "linux")]
    pub(super) const fn is_bulk(&self) -> bool {
        self.bulk >= BULK
    }
}
