//! Work in threads of its own, which leave the cores to those that serve.

use std::{io, thread};

use tokio::{runtime::Handle, sync::oneshot};

/// What is added to the niceness. At 19 a reload on a busy machine would take seconds.
const NICE: i32 = 5;

/// Runs work in a thread of its own, at a lower priority: who serves goes first, and where all cores are busy it still has
/// a quarter of what others have. What is received is an error if it has panicked.
///
/// # Errors
///
/// There is no room for a thread.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (done, outcome) = oneshot::channel();
    let runtime = Handle::try_current();
    let thread = thread::Builder::new().name("background".into());
    thread.spawn(move || {
        // Of this thread alone. Where it must not be, it takes its share as others do.
        _ = rustix::process::nice(NICE);
        let _entered = runtime.as_ref().map(Handle::enter);
        _ = done.send(work());
    })?;
    Ok(outcome)
}

/// Drops what takes a while to drop.
pub(crate) fn drop<T: Send + 'static>(value: T) {
    // Where there is no room for a thread, it is dropped here.
    _ = spawn(move || std::mem::drop(value));
}
