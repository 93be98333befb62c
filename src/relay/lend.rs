//! What belongs to the thread, and is lent to whoever needs it.

use std::{cell::Cell, thread::LocalKey};

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
