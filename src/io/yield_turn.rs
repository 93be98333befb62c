//! Taking turns with other tasks.

use std::{future::Future, pin::pin, task::Context};

/// Has this task woken once others, and the system's news, have had their turn.
///
/// A plain wake puts the task back into the queue at once, and a few busy ones of that kind keep the
/// runtime from looking at its sockets.
pub(crate) fn yield_turn(cx: &mut Context<'_>) {
    // Pending at first, by what it is for.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}
