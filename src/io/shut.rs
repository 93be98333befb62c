use std::{
    pin::Pin,
    task::{Context, Waker},
};

use tokio::io::AsyncWrite;

/// Shuts a stream down as far as that does not take waiting: inside TLS the peer learns that this is the end.
pub(crate) fn shut<Io: AsyncWrite + Unpin>(io: &mut Io) {
    let _ = Pin::new(io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
}
