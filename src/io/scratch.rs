//! Thread-local scratch buffers, lent for the length of a call.

use std::{cell::Cell, thread::LocalKey};

/// The size of the buffer, in bytes: the most that is read at once.
pub(crate) const LARGEST: usize = 256 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer of this thread: [`LARGEST`] bytes, with the contents of earlier uses.
#[inline]
pub(crate) fn with_scratch<T>(borrow: impl FnOnce(&mut [u8]) -> T) -> T {
    let make = || vec![0; LARGEST].into_boxed_slice();
    lend(&BUFFER, make, |buffer| borrow(buffer))
}

/// Lends a second buffer of this thread, for octets that are decrypted into the first one.
#[cfg(feature = "tls")]
pub(super) fn with_tls_scratch<T>(borrow: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    }

    // What records have in addition to their plaintext.
    let make = || vec![0; LARGEST + 4 * 1024].into_boxed_slice();
    lend(&BUFFER, make, |buffer| borrow(buffer))
}

/// Lends the value in `slot`, in the state in which the last use left it; makes it if there is
/// none.
///
/// It is taken out while it is lent: a nested call gets another one.
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
