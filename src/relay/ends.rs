//! Both streams of a tunnel, and how they are closed.

use crate::io::Raw;

/// The streams of a tunnel. They are reset when this is dropped, unless they have ended by
/// themselves: half of what somebody sends must not look like all of it.
///
/// That holds for whatever ends a tunnel early: a limit, a meter, a layer or a server that drops the
/// future, a panic.
#[derive(Debug)]
pub(super) struct Ends<A: 'static, B: 'static> {
    pub(super) client: A,
    pub(super) target: B,
    pub(super) complete: bool,
}

impl<A: 'static, B: 'static> Ends<A, B> {
    pub(super) const fn new(client: A, target: B) -> Self {
        Self {
            client,
            target,
            complete: false,
        }
    }
}

impl<A: 'static, B: 'static> Drop for Ends<A, B> {
    fn drop(&mut self) {
        if !self.complete {
            let sockets = [Raw::beneath(&self.client), Raw::beneath(&self.target)];
            for socket in sockets.into_iter().flatten() {
                // One that is reset by its peer does not take the option any more.
                let _ = socket.reset();
            }
        }
    }
}
