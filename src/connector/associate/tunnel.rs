use std::{
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    pin::pin,
    task::Poll,
};

use super::relay::{Flow, Terms};
use crate::admission::Place;
use crate::{
    datagram::{BatchSocket, DatagramTransport},
    io::{ClientStream, MeteredStream, poll_drain},
    proto::Address,
    relay::{Alarm, Traffic},
    session::Tunnel,
};

/// A relay for the datagrams of one client: the tunnel of UDP ASSOCIATE.
///
/// What it consists of is boxed, so that a connector that knows all commands does not make every
/// CONNECT as large as this.
#[derive(Debug)]
pub struct AssociateTunnel<P> {
    parts: Box<Parts<P>>,
}

#[derive(Debug)]
pub(super) struct Parts<P> {
    pub(super) socket: BatchSocket,
    pub(super) path: P,
    pub(super) bound: Address,
    pub(super) client: IpAddr,
    pub(super) terms: Terms,
    pub(super) place: Place,
}

impl<P> AssociateTunnel<P> {
    pub(super) fn new(parts: Parts<P>) -> Self {
        Self {
            parts: Box::new(parts),
        }
    }
}

impl<P: DatagramTransport> Tunnel for AssociateTunnel<P> {
    fn bound(&self) -> Address {
        self.parts.bound.clone()
    }

    fn run<W: ClientStream>(
        self,
        mut control: W,
    ) -> impl Future<Output = io::Result<Traffic>> + Send {
        Box::pin(async move {
            let Parts {
                socket,
                path,
                client,
                terms,
                place,
                ..
            } = *self.parts;
            let meters = MeteredStream::take(&mut control);
            let mut flow = Flow::new(socket, path, client, terms, meters);
            let mut alarm = pin!(Alarm::new(terms.idle));
            let ended = poll_fn(|cx| {
                // The association ends with its TCP connection, however that ends. What comes on it
                // means nothing.
                if poll_drain(cx, &mut control).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                if let Poll::Ready(error) = flow.poll(cx) {
                    return Poll::Ready(Err(error));
                }
                flow.poll_alarm(cx, alarm.as_mut()).map(Err)
            })
            .await;
            drop(place);
            ended.map(|()| flow.traffic())
        })
    }
}
