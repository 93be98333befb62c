//! The halves of a socket whose datagrams go to the proxy's relay and come from there.

use std::{
    borrow::Cow,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncRead;

use super::association::Association;
use crate::{
    client::ClientError,
    datagram::{Datagrams, poll_send_all},
    error::Step,
    io::{Control, DropReason, yield_turn},
    proto::{Address, Decode, Decoded, Encoded, UdpHeader},
};

/// Batches without a usable datagram, in one poll, before other tasks get their turn.
const UNWANTED: usize = 4;

/// Sends to the relay.
#[derive(Debug)]
pub(super) struct RelaySender {
    pub(super) association: Arc<Association>,
    /// The rest of a batch, with its headers.
    unsent: Datagrams,
}

impl RelaySender {
    pub(super) const fn new(association: Arc<Association>) -> Self {
        Self {
            association,
            unsent: Datagrams::new(),
        }
    }

    /// Returns the largest payload behind the largest header that a target of this form can have.
    pub(super) fn max_payload(&self, target: &Address) -> usize {
        let most = self.association.longest();
        most.saturating_sub(largest_header(target))
    }

    pub(super) fn poll_send_to(
        &mut self,
        cx: &mut Context<'_>,
        payload: &[u8],
        target: &Address,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let header = header(target);
        let most = self.association.longest().saturating_sub(header.len());
        if payload.len() > most {
            let len = payload.len();
            return Poll::Ready(Err(ClientError::TooLarge { len, most }.into()));
        }
        ready!(self.poll_unsent(cx));
        let mut datagram = [&*header, payload].concat();
        if let Some(sealer) = self.association.sealer() {
            datagram = sealer.seal(&datagram)?;
        }
        let Association { socket, relay, .. } = &*self.association;
        socket.poll_send(cx, *relay, &datagram, datagram.len())
    }

    pub(super) fn poll_send_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        ready!(self.poll_unsent(cx));
        if !out.is_empty() {
            let most = self.association.longest();
            out.retain(|target, payload| payload.len() + header(target).len() <= most);
            match self.association.sealer() {
                None => self.unsent.wrap(out, header),
                Some(sealer) => {
                    let seal = |datagram: &[u8]| sealer.seal(datagram).ok();
                    self.unsent.wrap_sealed(out, header, seal);
                }
            }
            out.clear();
            ready!(self.poll_unsent(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is left of an earlier batch.
    pub(super) fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unsent.is_empty() {
            let Association { socket, relay, .. } = &*self.association;
            ready!(poll_send_all(socket, cx, *relay, &mut self.unsent));
            // An idle association holds no buffer.
            self.unsent = Datagrams::new();
        }
        Poll::Ready(())
    }

    pub(super) fn check(&self) -> io::Result<()> {
        match self.association.has_ended() {
            true => Err(ClientError::Closed { step: Step::Relay }.into()),
            false => Ok(()),
        }
    }
}

/// Returns the octets of the largest header that a target of this form can have.
const fn largest_header(target: &Address) -> usize {
    use std::net::SocketAddr;

    match target {
        Address::Ip(SocketAddr::V4(_)) => 10,
        Address::Name(..) => 262,
        // The RFC says 20, which leaves out the port.
        Address::Ip(SocketAddr::V6(_)) => 22,
    }
}

fn header(target: &Address) -> Encoded<262> {
    let header = UdpHeader {
        fragment: 0,
        address: target.clone(),
    };
    header.encode()
}

/// Receives from the relay, and keeps the control connection.
#[derive(Debug)]
pub(super) struct RelayReceiver<Io> {
    io: Io,
    control: Control,
    pub(super) association: Arc<Association>,
}

impl<Io> RelayReceiver<Io> {
    pub(super) const fn new(io: Io, association: Arc<Association>) -> Self {
        Self {
            io,
            control: Control::new(),
            association,
        }
    }
}

impl<Io: AsyncRead + Unpin> RelayReceiver<Io> {
    /// Puts at least one datagram into `batch`.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        for _ in 0..UNWANTED {
            let before = batch.len();
            let association = &*self.association;
            let received = association.socket.poll_recv(cx, |source, datagram| {
                if !association.is_relay(source) {
                    return;
                }
                let datagram = match association.sealer() {
                    None => Cow::Borrowed(datagram),
                    Some(sealer) => match sealer.open(datagram) {
                        Ok(datagram) => Cow::Owned(datagram),
                        // Not the proxy's, or it came before. Anybody can send such.
                        Err(_) => return batch.dropped(DropReason::Unprotected, 1),
                    },
                };
                if let Some((source, payload)) = without_header(&datagram) {
                    batch.push(source, payload);
                }
            });
            if batch.len() > before {
                return Poll::Ready(Ok(()));
            }
            match received {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(ClientError::Socket(error).into()));
                }
                Poll::Pending => return self.poll_end(cx).map(Err),
            }
        }
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Polls for the end of the association, which is the end of its control connection. What the proxy
    /// sends on that means nothing, and too much of it is an error.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let step = Step::Relay;
        if !self.association.has_ended() {
            let ended = ready!(self.control.poll_end(cx, &mut self.io, |_| Ok(())));
            self.association.end();
            if let Err(source) = ended {
                return Poll::Ready(ClientError::Io { step, source }.into());
            }
        }
        Poll::Ready(ClientError::Closed { step }.into())
    }
}

/// Takes the header off a datagram of the relay's, and returns its source and payload. Malformed ones
/// are dropped, and so are fragments, which an implementation without reassembly must drop (RFC 1928
/// section 7).
fn without_header(datagram: &[u8]) -> Option<(Address, &[u8])> {
    let Ok(Decoded::Done(header, len)) = UdpHeader::decode(datagram) else {
        return None;
    };
    let source = header.address.canonical().ok()?;
    let payload = datagram.get(len..)?;
    (header.fragment == 0).then_some((source, payload))
}
