//! The traffic of a tunnel that is dropped.

use std::cell::Cell;

use super::Traffic;

thread_local! {
    static LAST: Cell<Option<Traffic>> = const { Cell::new(None) };
}

/// Leaves the traffic of a tunnel that is being dropped to the owner of its future.
pub(crate) fn leave(traffic: Traffic) {
    // Without the thread's storage nobody asks any more.
    let _ = LAST.try_with(|last| last.set(Some(traffic)));
}

/// Takes what the tunnel that this thread has dropped last has left.
pub(crate) fn left() -> Option<Traffic> {
    LAST.try_with(Cell::take).ok().flatten()
}
