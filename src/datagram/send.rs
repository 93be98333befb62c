//! Sending of a batch through a socket.

use std::{
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use super::{BatchSocket, Datagrams};
use crate::io::DropReason;

/// Sends what one system call takes from the front of `datagrams`, and takes it out. What the
/// system does not send is dropped.
pub(crate) fn poll_send_front(
    socket: &BatchSocket,
    cx: &mut Context<'_>,
    destination: SocketAddr,
    datagrams: &mut Datagrams,
) -> Poll<()> {
    let most = datagrams
        .run(1)
        .map_or(1, |(_, _, size, _)| socket.segments(size));
    // It may be the batch that the system rejects, as on a path with a small MTU: the first
    // datagram of it by itself.
    for most in [most, 1] {
        let Some((_, contents, size, count)) = datagrams.run(most) else {
            break;
        };
        match ready!(socket.poll_send(cx, destination, contents, size)) {
            Err(_) if count > 1 => continue,
            Err(error) => {
                tracing::debug!(%destination, %error, "datagram not sent");
                datagrams.dropped(DropReason::Unsendable, count);
            }
            Ok(()) => {}
        }
        datagrams.take_first(count);
        break;
    }
    Poll::Ready(())
}

/// Sends all of `datagrams` to one destination. Ready once none is left; what the system does not
/// send is dropped.
pub(crate) fn poll_send_all(
    socket: &BatchSocket,
    cx: &mut Context<'_>,
    destination: SocketAddr,
    datagrams: &mut Datagrams,
) -> Poll<()> {
    while !datagrams.is_empty() {
        ready!(poll_send_front(socket, cx, destination, datagrams));
    }
    Poll::Ready(())
}
