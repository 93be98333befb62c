//! Thread-local scratch buffers, lent for the length of a call.

use std::{cell::Cell, thread::LocalKey};

/// The most that is read at once, in bytes: as much as a socket has on a good day.
pub(crate) const LARGEST: usize = 256 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer of this thread, [`LARGEST`] bytes of whatever was in it before.
#[inline]
pub(crate) fn with_scratch<T>(borrow: impl FnOnce(&mut [u8]) -> T) -> T {
    let make = || vec![0; LARGEST].into_boxed_slice();
    lend(&BUFFER, make, |buffer| borrow(buffer))
}

/// Lends what is in `slot`, in the state in which the last one left it; makes it first if need be.
///
/// It is taken out while it is lent: whoever is called from within `borrow` and wants the same gets
/// another one.
#[inline]
pub(crate) fn lend<T, R>(
    slot: &'static LocalKey<Cell<Option<T>>>,
    make: impl FnOnce() -> T,
    borrow: impl FnOnce(&mut T) -> R,
) -> R {
    let kept = slot.try_with(Cell::take).ok().flatten();
    let mut lent = kept.unwrap_or_else(make);
    let result = borrow(&mut lent);
    // Fails while the thread is being torn down; what was lent goes with it.
    let _ = slot.try_with(|slot| slot.set(Some(lent)));
    result
}
