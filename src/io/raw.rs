//! A socket, and the streams that have nothing more to add to one.

use std::any::Any;

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::PrefixedStream;

/// A socket of the operating system, with no bytes in front of it.
#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    Tcp(&'a TcpStream),
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

/// Returns the socket that `io` is, or is about to be to who reads.
#[inline]
pub(super) fn bare(io: &dyn Any) -> Option<Raw<'_>> {
    if let Some(stream) = socket(io) {
        return Some(Raw::Tcp(stream));
    }
    #[cfg(unix)]
    if let Some(stream) = socket(io) {
        return Some(Raw::Unix(stream));
    }
    None
}

/// Sees through one or two [`PrefixedStream`]s once their bytes have all been read, and their buffers are given back.
#[inline]
fn socket<T: 'static>(io: &dyn Any) -> Option<&T> {
    fn within<T: 'static>(io: &dyn Any) -> Option<&T> {
        io.downcast_ref::<PrefixedStream<T>>()
            .filter(|ahead| ahead.is_released())
            .map(PrefixedStream::get_ref)
    }
    let socket = io.downcast_ref().or_else(|| within(io));
    // A layer above the handshake has read ahead as well.
    socket.or_else(|| within::<PrefixedStream<T>>(io).and_then(|inner| within(inner)))
}
