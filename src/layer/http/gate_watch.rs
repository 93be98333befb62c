//! How a client is watched while its request is executed.

use std::{
    io,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::gate::Gate;
use crate::io::ClientStream;

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Gate<Io> {
    /// Watches a client that has sent all of a request. Ready if it is gone.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.stream()?;
        let closed = stream.poll_closed(cx);
        let ahead = !stream.buffered().is_empty() || !self.left().is_empty();
        let mut notes = self.notes.lock();
        notes.ahead = ahead;
        match ready!(closed) {
            // Perhaps it waits for the response: the tunnel is half-closed.
            Ok(()) if !notes.half_closed => {
                notes.half_closed = true;
                // Who has been polled before this one is to know.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(()) => Poll::Pending,
            Err(gone) => Poll::Ready(Err(gone)),
        }
    }

    /// Watches a client of whose request hyper may want no more for now. Ready if it is gone.
    pub(super) fn poll_within(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.is_within() {
            true => match self.stream() {
                Ok(stream) => stream.poll_broken(cx),
                Err(gone) => Poll::Ready(gone),
            },
            false => Poll::Pending,
        }
    }
}
