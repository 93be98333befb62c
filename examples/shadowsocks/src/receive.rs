//! Receiving a datagram of shadowsocks, on both sides.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, ready},
};

use shadowsocks::{
    ProxySocket, net::UdpSocket, relay::udprelay::options::UdpSocketControlData,
    relay::udprelay::proxy_socket::ProxySocketError,
};
use tokio::io::ReadBuf;
use tower_socks::proto::Address;

use crate::address::ours;

thread_local! {
    /// A datagram with everything around it: an idle session keeps no room of its own.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 65_536]);
}

/// A datagram that came from somebody who has the key.
pub(crate) struct Received<'a> {
    /// The socket that it came from.
    pub(crate) from: SocketAddr,
    /// Where it goes, or came from at the other side of the server.
    pub(crate) address: Address,
    /// Its session, number and user. Its `Debug` has the user's key.
    pub(crate) control: UdpSocketControlData,
    pub(crate) payload: &'a [u8],
}

/// Receives a datagram and hands it to `take`. What cannot be read is `None`.
///
/// # Errors
///
/// Those of the socket.
pub(crate) fn poll_receive<T>(
    socket: &ProxySocket<UdpSocket>,
    cx: &mut Context<'_>,
    take: impl FnOnce(Received<'_>) -> T,
) -> Poll<io::Result<Option<T>>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        let received = || socket.poll_recv_from_with_ctrl(cx, &mut buffer);
        // The crate reads a name without looking whether there is a port behind it, and panics in the bytes that end there.
        // Who sends such a datagram has a key; the sessions of others are not to end with it.
        let Ok(received) = catch_unwind(AssertUnwindSafe(received)) else {
            return Poll::Ready(Ok(None));
        };
        Poll::Ready(match ready!(received) {
            Ok((len, from, address, _, control)) => {
                let payload = buffer.filled().get(..len).unwrap_or_default();
                Ok(ours(address).ok().zip(control).map(|(address, control)| {
                    take(Received {
                        from,
                        address,
                        control,
                        payload,
                    })
                }))
            }
            Err(ProxySocketError::IoError(error)) => Err(error),
            Err(_) => Ok(None),
        })
    })
}

/// Whether a socket goes on after this error: a host has said that nobody is there, which says nothing of others.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable
    )
}
