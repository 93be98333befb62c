use std::{
    borrow::Cow,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::{ClientEnd, ClientPort, Received};
#[cfg(target_os = "linux")]
use crate::io::Raw;
use crate::{
    datagram::{BatchSocket, Datagrams, Fragments, is_own_relay, poll_send_all},
    io::{ClientStream, Control, Direction, DropReason, Meters, Sealer},
    proto::{Address, Decode, Decoded, UdpHeader, unmapped},
    relay::{RelayError, RelayErrorKind, Traffic},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Fragmentation {
    Reassembled,
    Dropped,
}

/// A client that sends to a socket of ours, for as long as its control connection lasts.
pub(in super::super) struct ClientSocket<'a, W> {
    stream: &'a mut W,
    control: Control,
    socket: BatchSocket,
    /// What protects the datagrams; `None` where they travel in clear.
    sealer: Option<Arc<dyn Sealer>>,
    port: ClientPort,
    fragmentation: Fragmentation,
    fragments: Option<Box<Fragments>>,
    /// What the socket has not taken yet.
    unsent: Option<Box<Datagrams>>,
}

impl<'a, W> ClientSocket<'a, W> {
    pub(in super::super) fn new(
        stream: &'a mut W,
        sealer: Option<Arc<dyn Sealer>>,
        socket: BatchSocket,
        port: ClientPort,
        fragmentation: Fragmentation,
    ) -> Self {
        let mut client = Self {
            stream,
            control: Control::new(),
            socket,
            sealer,
            port,
            fragmentation,
            fragments: None,
            unsent: None,
        };
        client.connect();
        client
    }

    /// Has the system do the sorting, where the client has one port.
    fn connect(&mut self) {
        if let Some(client) = self.port.only()
            && BatchSocket::CAN_DISCONNECT
        {
            let _ = self.socket.connect(client);
        }
    }
}

impl<W: ClientStream> ClientEnd for ClientSocket<'_, W> {
    /// Ready with the end of the control connection, however that ends. What comes on it means nothing,
    /// and is counted all the same; it is an error to send too much on it, or more than the meters have room for.
    fn poll_control(
        &mut self,
        cx: &mut Context<'_>,
        meters: &mut Meters,
        traffic: Traffic,
    ) -> Poll<io::Result<()>> {
        // Asked with each datagram, of a connection on which hardly anything ever comes.
        #[cfg(target_os = "linux")]
        if let Some(socket) = Raw::of(&*self.stream)
            && socket.poll_read_ready(cx).is_pending()
        {
            return Poll::Pending;
        }
        let mut is_refused = false;
        let ended = ready!(self.control.poll_end(cx, self.stream, |octets| {
            let admitted = meters.admit(Direction::Up, octets);
            meters.moved(Direction::Up, admitted);
            is_refused = admitted < octets;
            match is_refused {
                true => Err(io::ErrorKind::QuotaExceeded.into()),
                false => Ok(()),
            }
        }));
        let broken = |kind, error| Err(RelayError::broken(kind, traffic, error));
        Poll::Ready(match ended {
            Err(error) if is_refused => match meters.poll_allowance(cx, Direction::Up) {
                // The meter's own words, if it has any.
                Poll::Ready(Err(error)) => broken(RelayErrorKind::Limit, error),
                _ => broken(RelayErrorKind::Limit, error),
            },
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                broken(RelayErrorKind::Client, error)
            }
            Ok(()) | Err(_) => Ok(()),
        })
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _: usize,
        up: &mut Datagrams,
        received: &mut Received,
    ) -> Poll<io::Result<bool>> {
        let Self {
            port,
            sealer,
            fragments,
            fragmentation,
            ..
        } = self;
        let known = port.only();
        ready!(self.socket.poll_recv(cx, |source, datagram| {
            let source = unmapped(source);
            if let Err(reason) = port.check(source) {
                return received.drops.add(reason, 1);
            }
            let datagram = match sealer {
                None => Cow::Borrowed(datagram),
                Some(sealer) => match sealer.open(datagram) {
                    Ok(datagram) => Cow::Owned(datagram),
                    // It ends nothing, since anybody can send one.
                    Err(_) => return received.drops.add(DropReason::Unprotected, 1),
                },
            };
            let Ok(Decoded::Done(header, len)) = UdpHeader::decode(&datagram) else {
                return received.drops.add(DropReason::Malformed, 1);
            };
            let payload = datagram.get(len..).unwrap_or_default();
            port.took(source);
            received.heard = true;
            if header.fragment == 0 {
                received.octets += payload.len() as u64;
                up.push(header.address, payload);
            } else if *fragmentation == Fragmentation::Dropped {
                received.drops.add(DropReason::Fragment, 1);
            } else if let Some((target, whole)) =
                Fragments::add(fragments, header.fragment, header.address, payload)
            {
                received.octets += whole.len() as u64;
                up.push(target, &whole);
            }
        }))?;
        if known.is_none() {
            self.connect();
        }
        Poll::Ready(Ok(true))
    }

    /// The control connection tells.
    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>, meters: &mut Meters) -> Poll<io::Result<()>> {
        if let (Some(unsent), Some(client)) = (&mut self.unsent, self.port.address()) {
            let sent = poll_send_all(&self.socket, cx, client, unsent);
            meters.dropped(unsent.take_dropped());
            ready!(sent);
            self.unsent = None;
        }
        Poll::Ready(Ok(()))
    }

    fn filter(&mut self, down: &mut Datagrams) {
        match self.port.address() {
            None => down.clear(), // nobody to send it to
            Some(client) if is_own_relay(client) => {
                down.dropped(DropReason::SelfConnection, down.len());
                down.clear();
            }
            Some(_) => {}
        }
    }

    /// Sends each datagram behind its header (RFC 1928 section 7), sealed where the stream is (RFC 1961 section 5).
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut Datagrams,
        room: &mut Datagrams,
    ) -> io::Result<()> {
        let Some(client) = self.port.address() else {
            return Ok(());
        };
        let header = |source: &Address| {
            let header = UdpHeader {
                fragment: 0,
                address: source.clone(),
            };
            header.encode()
        };
        match &self.sealer {
            None => room.wrap(down, header),
            Some(sealer) => room.wrap_sealed(down, header, |datagram| sealer.seal(datagram).ok()),
        }
        let sent = poll_send_all(&self.socket, cx, client, room);
        down.add_dropped(room.take_dropped());
        if sent.is_pending() {
            self.unsent = Some(Box::new(std::mem::take(room)));
        }
        Ok(())
    }

    fn heard(&mut self, now: Instant) {
        self.port.heard(now);
    }

    fn due(&self) -> Option<Instant> {
        let queue = self.fragments.as_ref().map(|queue| queue.until());
        [queue, self.port.until()].into_iter().flatten().min()
    }

    fn overdue(&mut self, now: Instant, is_held_back: bool) -> Poll<io::Result<()>> {
        if self
            .fragments
            .as_ref()
            .is_some_and(|queue| queue.until() <= now)
        {
            self.fragments = None;
        }
        if self.port.until().is_some_and(|until| until <= now) {
            if is_held_back {
                self.port.heard(now);
            } else {
                self.port.release();
                if let Err(error) = self.socket.disconnect() {
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Pending
    }

    fn broken(error: io::Error, _: Traffic) -> io::Error {
        error
    }
}
