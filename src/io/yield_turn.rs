//! Cooperative yielding.

use std::{future::Future, pin::pin, task::Context};

/// Wakes this task once other tasks have run and the runtime has polled its sockets.
///
/// A plain wake puts the task back into the queue at once, and a few busy tasks of that kind keep
/// the runtime from polling its sockets.
pub(crate) fn yield_turn(cx: &mut Context<'_>) {
    // Its first poll is pending, by definition.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}
