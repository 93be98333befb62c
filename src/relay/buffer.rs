//! The buffer that belongs to the thread.

use std::cell::Cell;

/// The most that is read at once, in bytes: as much as a socket has on a good day.
pub(super) const LARGEST: usize = 256 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer of this thread, [`LARGEST`] bytes of whatever was in it before.
///
/// The buffer is taken out while it is lent. A stream that runs a relay of its own from within
/// `poll_read` gets another one.
pub(super) fn with<T>(lend: impl FnOnce(&mut [u8]) -> T) -> T {
    let kept = BUFFER.try_with(Cell::take).ok().flatten();
    let mut buffer = kept.unwrap_or_else(|| vec![0; LARGEST].into_boxed_slice());
    let result = lend(&mut buffer);
    // Fails while the thread is being torn down; the buffer goes with it.
    let _ = BUFFER.try_with(|slot| slot.set(Some(buffer)));
    result
}
