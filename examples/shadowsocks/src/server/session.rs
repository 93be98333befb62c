//! What the socket of all clients and one session have between them.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use shadowsocks::{
    ProxySocket, config::ServerUser, net::UdpSocket, relay::udprelay::options::UdpSocketControlData,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tower_socks::{
    datagram::Datagrams,
    proto::{Address, UdpOverTcp},
};

use crate::{keys::random_id, receive::Received};

/// Datagrams that wait for a session to take them, and their octets. One more is dropped.
const WAITING: (usize, usize) = (256, 128 * 1_024);

/// Datagrams that a session takes in one turn.
const BATCH: usize = 32;

/// How a stack takes datagrams in frames, each with its address.
pub(super) const FRAMES: UdpOverTcp = UdpOverTcp::V1;

/// A datagram from the client, with the room that it takes.
type Waiting = (Address, Vec<u8>, OwnedSemaphorePermit);

/// The end that belongs to the socket.
pub(super) struct Inlet {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    peer: watch::Sender<SocketAddr>,
}

/// The end that belongs to the session.
pub(super) struct Outlet {
    queue: mpsc::Receiver<Waiting>,
    peer: watch::Receiver<SocketAddr>,
    pub(super) socket: Arc<ProxySocket<UdpSocket>>,
    /// The sessions of client and server, the user, and the number of the next datagram.
    pub(super) control: UdpSocketControlData,
}

/// Creates the ends of a session of `user`, by the first datagram of it.
pub(super) fn session(
    socket: Arc<ProxySocket<UdpSocket>>,
    user: Arc<ServerUser>,
    first: &Received<'_>,
) -> (Inlet, Outlet) {
    let (sender, queue) = mpsc::channel(WAITING.0);
    let (peer, reached) = watch::channel(first.from);
    let mut control = UdpSocketControlData::default();
    control.client_session_id = first.control.client_session_id;
    control.server_session_id = random_id();
    control.user = Some(user);
    let inlet = Inlet {
        queue: sender,
        room: Arc::new(Semaphore::new(WAITING.1)),
        peer,
    };
    let outlet = Outlet {
        queue,
        peer: reached,
        socket,
        control,
    };
    (inlet, outlet)
}

impl Inlet {
    /// Gives a datagram to the session, and has answers go to where it came from. Without room it is dropped.
    pub(super) fn push(&self, datagram: Received<'_>) {
        self.peer.send_if_modified(|peer| {
            let moved = *peer != datagram.from;
            *peer = datagram.from;
            moved
        });
        // One without octets takes room as well.
        let octets = u32::try_from(datagram.payload.len().max(1)).unwrap_or(u32::MAX);
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(octets) {
            let waiting = (datagram.address, datagram.payload.to_vec(), room);
            let _ = self.queue.try_send(waiting);
        }
    }

    /// Whether the session has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
}

impl Outlet {
    /// Where the client is.
    pub(super) fn peer(&self) -> SocketAddr {
        *self.peer.borrow()
    }

    /// Takes what has come from the client.
    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<()> {
        while into.len() < BATCH
            && let Poll::Ready(Some((address, payload, _room))) = self.queue.poll_recv(cx)
        {
            into.push(address, &payload);
        }
        match into.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{future::poll_fn, sync::Arc};

    use shadowsocks::{
        ProxySocket,
        config::ServerUser,
        relay::udprelay::{options::UdpSocketControlData, proxy_socket::UdpSocketType},
    };
    use tokio::net::UdpSocket;
    use tower_socks::{datagram::Datagrams, proto::Address};

    use super::{Inlet, Outlet, WAITING, session};
    use crate::{keys::Keys, receive::Received};

    const KEY: &str = "c2VydmVyIHNlcnZlciBzZXJ2ZXIgc2VydmVyIHNlcnY=";

    pub(in crate::server) async fn inlet_and_outlet() -> (Inlet, Outlet) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap().into();
        let keys = Keys::of_server(KEY, [("joe", KEY)]).unwrap();
        let kind = UdpSocketType::Server;
        let socket = ProxySocket::from_socket(kind, keys.context, &keys.config, socket);
        let user = ServerUser::with_encoded_key("joe", KEY).unwrap();
        session(Arc::new(socket), Arc::new(user), &received(b""))
    }

    pub(in crate::server) fn received(payload: &[u8]) -> Received<'_> {
        Received {
            from: ([127, 0, 0, 1], 1).into(),
            address: Address::UNSPECIFIED,
            control: UdpSocketControlData::default(),
            payload,
        }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_in_octets() {
        for (size, most) in [(0, WAITING.0), (1, WAITING.0), (60_000, WAITING.1 / 60_000)] {
            let (inlet, mut outlet) = inlet_and_outlet().await;
            let payload = vec![0; size];
            // Room comes back with what is taken.
            for _ in 0..3 {
                (0..1_000).for_each(|_| inlet.push(received(&payload)));
                let mut taken = 0;
                while taken < most {
                    let mut batch = Datagrams::new();
                    poll_fn(|cx| outlet.poll_take(cx, &mut batch)).await;
                    taken += batch.len();
                }
                assert_eq!(taken, most);
                assert!(outlet.queue.is_empty());
            }
        }
    }
}
