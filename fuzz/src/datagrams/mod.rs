//! Datagrams of anything, through a server's association and through our client's. Over sockets of
//! the loopback, where there is no other way in.

mod association;
mod expected;
mod framed_association;
mod framed_socket;
mod frames;
mod socket;
mod transport;

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};
use tower_socks::proto::{Address, Decode, Decoded, UdpHeader};

pub use self::{
    association::association, framed_association::framed_association, framed_socket::framed_socket,
    socket::proxy_socket,
};

/// As many as fit into the queue of a socket in any case.
const MOST: usize = 24;

/// For what takes no time, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(20);

/// What says that all before it has come through.
const MARK: &[u8] = b"this is the last one";

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime with sockets")
}

/// One whose clock is nobody's, and which has no sockets.
fn timeless() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets")
}

fn loopback() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// Where a mark goes to, or comes from.
fn mark() -> Address {
    Address::Ip(([192, 0, 2, 99], 9).into())
}

fn datagram(fragment: u8, address: Address, payload: &[u8]) -> Vec<u8> {
    let header = UdpHeader { fragment, address };
    [&*header.encode(), payload].concat()
}

fn decoded(datagram: &[u8]) -> Option<(UdpHeader, &[u8])> {
    match UdpHeader::decode(datagram) {
        Ok(Decoded::Done(header, len)) => Some((header, &datagram[len..])),
        _ => None,
    }
}
