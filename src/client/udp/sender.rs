use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::association::Association;
use crate::{
    client::ClientError,
    datagram::{Datagrams, poll_send_all},
    error::Step,
    proto::{Address, Encoded, IntoAddress, UdpHeader},
};

/// The largest payload of a datagram between us and the proxy, in octets (IPv4: 65,535 less the
/// headers of IP and UDP).
const LARGEST: usize = 65_507;

/// Sends datagrams: a half of a [`ProxySocket`](super::ProxySocket). The other half keeps the
/// association; once that is dropped or has seen its end, sending is an error.
#[derive(Debug)]
pub struct ProxySender {
    association: Arc<Association>,
    /// The rest of a batch, with its headers.
    unsent: Datagrams,
}

impl ProxySender {
    pub(super) const fn new(association: Arc<Association>) -> Self {
        Self {
            association,
            unsent: Datagrams::new(),
        }
    }

    /// Returns the largest payload that can go to `target`, in octets: 65,507 less the header, which
    /// takes 10 for an IPv4 address, 22 for an IPv6 address, and 262 for a name.
    #[must_use]
    pub const fn max_payload(&self, target: &Address) -> usize {
        LARGEST
            - match target {
                Address::Ip(SocketAddr::V4(_)) => 10,
                Address::Name(..) => 262,
                // The RFC says 20, which leaves out the port.
                Address::Ip(SocketAddr::V6(_)) => 22,
            }
    }

    /// Sends a datagram to `target`.
    ///
    /// # Errors
    ///
    /// [`ClientError::TooLarge`] inside the error where it does not fit into a datagram to the proxy:
    /// nothing is sent then, and never a part. [`ClientError::Closed`] once the association is over;
    /// otherwise the error of the system.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: the datagram is not sent.
    pub async fn send_to(&mut self, payload: &[u8], target: impl IntoAddress) -> io::Result<()> {
        let target = target.into_address().map_err(ClientError::InvalidTarget)?;
        poll_fn(|cx| self.poll_send_to(cx, payload, &target)).await
    }

    /// Polls for room to send a datagram to `target`, and sends it.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to).
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
        let Association { socket, relay, .. } = &*self.association;
        socket.poll_send(cx, *relay, &datagram, datagram.len())
    }

    /// Sends many datagrams, in few system calls where several of one size follow each other, and
    /// removes them from `out`. Those that cannot be sent, too large ones for instance, are dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] inside the error once the association is over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future: what has been removed from `out` and is not sent yet goes with the next
    /// datagrams.
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

    /// Sends what is left of an earlier batch.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unsent.is_empty() {
            let Association { socket, relay, .. } = &*self.association;
            ready!(poll_send_all(socket, cx, *relay, &mut self.unsent));
            // An idle association holds no buffer.
            self.unsent = Datagrams::new();
        }
        Poll::Ready(())
    }

    fn check(&self) -> io::Result<()> {
        match self.association.has_ended() {
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
