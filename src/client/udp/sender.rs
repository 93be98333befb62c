use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::association::Relay;
use crate::{
    client::ClientError,
    datagram::{Datagrams, poll_send_all},
    error::Step,
    proto::{Address, Encoded, UdpHeader},
};

/// The largest payload of a datagram between us and the proxy, in octets (IPv4: 65,535 less the
/// headers of IP and UDP).
const LARGEST: usize = 65_507;

/// The half of a [`ProxySocket`](super::ProxySocket) that sends. The other half keeps the
/// association; once that is dropped or has seen its end, sending is an error.
#[derive(Debug)]
pub struct ProxySender {
    relay: Arc<Relay>,
    /// What a batch has left, with its headers.
    unsent: Datagrams,
}

impl ProxySender {
    pub(super) const fn new(relay: Arc<Relay>) -> Self {
        Self {
            relay,
            unsent: Datagrams::new(),
        }
    }

    /// See [`ProxySocket::max_payload`](super::ProxySocket::max_payload).
    #[must_use]
    pub const fn max_payload(&self, target: &Address) -> usize {
        LARGEST
            - match target {
                Address::Ip(SocketAddr::V4(_)) => 10,
                Address::Name(..) => 262,
                // The RFC says 20, and has forgotten two.
                Address::Ip(SocketAddr::V6(_)) => 22,
            }
    }

    /// See [`ProxySocket::send_to`](super::ProxySocket::send_to).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn send_to(&mut self, payload: &[u8], target: &Address) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_to(cx, payload, target)).await
    }

    /// See [`ProxySocket::poll_send_to`](super::ProxySocket::poll_send_to).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_send_to(
        &mut self,
        cx: &mut Context<'_>,
        payload: &[u8],
        target: &Address,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let header = header(target);
        let most = LARGEST - header.len();
        if payload.len() > most {
            let len = payload.len();
            return Poll::Ready(Err(ClientError::TooLarge { len, most }.into()));
        }
        ready!(self.poll_unsent(cx));
        let datagram = [&*header, payload].concat();
        let Relay {
            socket, address, ..
        } = &*self.relay;
        socket.poll_send(cx, *address, &datagram, datagram.len())
    }

    /// See [`ProxySocket::send_batch`](super::ProxySocket::send_batch).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn send_batch(&mut self, out: &mut Datagrams) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_batch(cx, out)).await
    }

    pub(super) fn poll_send_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        ready!(self.poll_unsent(cx));
        if !out.is_empty() {
            out.retain(|target, payload| payload.len() + header(target).len() <= LARGEST);
            self.unsent.wrap(out, header);
            out.clear();
            ready!(self.poll_unsent(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// Ready once nothing is left of an earlier batch.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unsent.is_empty() {
            let Relay {
                socket, address, ..
            } = &*self.relay;
            ready!(poll_send_all(socket, cx, *address, &mut self.unsent));
            // A quiet association keeps no room.
            self.unsent = Datagrams::new();
        }
        Poll::Ready(())
    }

    fn check(&self) -> io::Result<()> {
        match self.relay.has_ended() {
            true => Err(ClientError::Closed { step: Step::Relay }.into()),
            false => Ok(()),
        }
    }
}

fn header(target: &Address) -> Encoded<262> {
    let header = UdpHeader {
        fragment: 0,
        address: target.clone(),
    };
    header.encode()
}
