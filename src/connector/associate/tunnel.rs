use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
};

use super::{
    client_port::ClientPort,
    relay::{DatagramRelay, RelayOptions},
};
use crate::{
    admission::Place,
    connector::port_range::TakenPort,
    datagram::{BatchSocket, DatagramTransport, OwnRelay},
    io::{ClientStream, Control, MeteredStream},
    proto::Address,
    relay::{LazyTimer, Traffic},
    session::{Tunnel, UserOrClient},
};

/// Relays the datagrams of one client: the tunnel of UDP ASSOCIATE.
///
/// Its parts are boxed, so that a connector that knows all commands does not make every CONNECT as
/// large as this.
#[derive(Debug)]
pub struct AssociateTunnel<D> {
    parts: Box<Parts<D>>,
}

#[derive(Debug)]
pub(super) struct Parts<D> {
    pub(super) socket: BatchSocket,
    pub(super) transport: D,
    pub(super) bound: Address,
    pub(super) client: ClientPort,
    pub(super) options: RelayOptions,
    /// Its addresses are known as ours for as long as the socket is there.
    pub(super) own: OwnRelay,
    pub(super) port: Option<TakenPort>,
    pub(super) place: Place<UserOrClient>,
}

impl<D> AssociateTunnel<D> {
    pub(super) fn new(parts: Parts<D>) -> Self {
        Self {
            parts: Box::new(parts),
        }
    }
}

impl<D: DatagramTransport> Tunnel for AssociateTunnel<D> {
    fn bound(&self) -> Address {
        self.parts.bound.clone()
    }

    fn run<W: ClientStream>(
        self,
        mut stream: W,
    ) -> impl Future<Output = io::Result<Traffic>> + Send {
        Box::pin(async move {
            let Parts {
                socket,
                transport,
                client,
                options,
                own,
                port,
                place,
                ..
            } = *self.parts;
            let meters = MeteredStream::take(&mut stream);
            let mut relay = DatagramRelay::new(socket, transport, client, options, meters);
            let mut control = Control::new();
            let mut timer = pin!(LazyTimer::new(options.idle));
            let ended = poll_fn(|cx| {
                if let Poll::Ready(end) = relay.poll_control(cx, &mut control, &mut stream) {
                    return Poll::Ready(end);
                }
                if let Poll::Ready(error) = relay.poll(cx) {
                    return Poll::Ready(Err(error));
                }
                relay.poll_idle(cx, timer.as_mut()).map(Err)
            })
            .await;
            let traffic = relay.traffic();
            // The place is free once the socket is gone.
            drop(relay);
            drop((own, port, place));
            ended.map(|()| traffic)
        })
    }
}
