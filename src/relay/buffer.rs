//! The buffer that belongs to the thread.

use std::cell::Cell;

use super::lend::lend;

/// The most that is read at once, in bytes: as much as a socket has on a good day.
pub(super) const LARGEST: usize = 256 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer of this thread, [`LARGEST`] bytes of whatever was in it before.
#[inline]
pub(super) fn with<T>(borrow: impl FnOnce(&mut [u8]) -> T) -> T {
    let make = || vec![0; LARGEST].into_boxed_slice();
    lend(&BUFFER, make, |buffer| borrow(buffer))
}
