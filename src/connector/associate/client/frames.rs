use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{io::ReadBuf, time::Instant};

use super::{ClientEnd, Received};
use crate::{
    connector::associate::filtering::OneDestination,
    datagram::{Datagrams, FrameReader, FrameWriter, cut, malformed},
    io::{ClientStream, DropReason, Meters, Raw, with_scratch},
    proto::{Address, Decode, Decoded, Framing, UdpOverTcp, UdpOverTcpRequest, canonical},
    relay::{RelayError, RelayErrorKind, Traffic, after},
};

/// The time for what has come, once the stream has ended behind it.
const LAST: Duration = Duration::from_secs(5);

/// Octets for the client that the system may have and not have sent.
const UNSENT: u32 = 128 * 1024;

/// Octets that are read at once in front of the first frame.
const AT_ONCE: usize = 4 * 1024;

/// A client whose datagrams are in frames, in its stream.
pub(in super::super) struct ClientFrames<'a, W> {
    stream: &'a mut W,
    /// The beginning of the request of version 2.
    request: Vec<u8>,
    /// `None` before that request.
    frames: Option<Frames>,
    /// Octets of frames that may wait for the client.
    backlog: usize,
    is_overflown: bool,
    one_destination: OneDestination,
    /// The stream has ended behind what has to wait, which may do so until then.
    last: Option<Instant>,
}

struct Frames {
    reader: FrameReader,
    writer: FrameWriter,
    /// Of all datagrams, where frames have no address.
    destination: Option<Address>,
}

impl Frames {
    /// Frames that begin with octets that were read already.
    const fn new(framing: Framing, octets: Vec<u8>, destination: Option<Address>) -> Self {
        Self {
            reader: FrameReader::new(framing, octets),
            writer: FrameWriter::new(framing, Vec::new()),
            destination,
        }
    }
}

impl<'a, W: ClientStream> ClientFrames<'a, W> {
    pub(in super::super) fn new(
        stream: &'a mut W,
        protocol: UdpOverTcp,
        backlog: usize,
        one_destination: OneDestination,
    ) -> Self {
        // Otherwise a client that does not read has megabytes in the system, and hears what is old.
        if let Some(socket) = Raw::beneath(&*stream) {
            let _ = socket.bound_unsent(UNSENT);
        }
        Self {
            stream,
            request: Vec::new(),
            frames: protocol
                .framing()
                .map(|framing| Frames::new(framing, Vec::new(), None)),
            backlog,
            is_overflown: false,
            one_destination,
            last: None,
        }
    }
}

impl<W: ClientStream> ClientFrames<'_, W> {
    /// Says once that datagrams are dropped.
    fn overflows(&mut self) {
        if !std::mem::replace(&mut self.is_overflown, true) {
            tracing::debug!(
                backlog = self.backlog,
                "the client does not read: datagrams to it are dropped"
            );
        }
    }

    /// Reads the request of version 2. Ready with `None` where the stream ends in front of it.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Frames>>> {
        loop {
            let is_end = with_scratch(|buffer| {
                let room = buffer.get_mut(..AT_ONCE).unwrap_or_default();
                let mut room = ReadBuf::new(room);
                ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut room))?;
                self.request.extend_from_slice(room.filled());
                Poll::Ready(io::Result::Ok(room.filled().is_empty()))
            });
            if ready!(is_end)? {
                return Poll::Ready(match self.request.is_empty() {
                    true => Ok(None),
                    false => Err(cut()),
                });
            }
            let request = UdpOverTcpRequest::decode(&self.request);
            if let Decoded::Done(request, len) = request.map_err(malformed)? {
                let first = std::mem::take(&mut self.request).split_off(len);
                let framing = request.framing();
                let destination = match request.destination {
                    Address::Ip(address) => Address::Ip(canonical(address)),
                    name @ Address::Name(..) => name,
                };
                let destination = request.is_connect.then_some(destination);
                return Poll::Ready(Ok(Some(Frames::new(framing, first, destination))));
            }
        }
    }
}

impl<W: ClientStream> ClientEnd for ClientFrames<'_, W> {
    /// The end is in the stream, behind the frames.
    fn poll_control(
        &mut self,
        _: &mut Context<'_>,
        _: &mut Meters,
        _: Traffic,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        up: &mut Datagrams,
        received: &mut Received,
    ) -> Poll<io::Result<bool>> {
        if self.frames.is_none() {
            let Some(frames) = ready!(self.poll_request(cx))? else {
                return Poll::Ready(Ok(false));
            };
            if frames.destination.is_some() {
                self.one_destination.set();
            }
            received.heard = true;
            self.frames = Some(frames);
        }
        let Some(Frames {
            reader,
            destination,
            ..
        }) = &mut self.frames
        else {
            return Poll::Pending;
        };
        reader.poll_read(cx, self.stream, most, |(address, payload)| {
            let address = match address {
                Some(address) => address.ok(),
                None => destination.clone(),
            };
            // Of what is dropped, too: a limit holds for all that a client may send us.
            received.octets += payload.len() as u64;
            match address {
                Some(address) => {
                    received.heard = true;
                    up.push(address, payload);
                }
                None => received.drops.add(DropReason::Malformed, 1),
            }
        })
    }

    /// Of a client that has closed, what it sent before has some time. Nobody waits for what comes to one that
    /// is gone.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.last.is_none() {
            ready!(self.stream.poll_closed(cx))?;
            self.last = Some(after(Instant::now(), LAST));
        }
        Poll::Pending
    }

    /// Always, so that no socket is left unread: what the client does not read is dropped.
    fn poll_ready(&mut self, cx: &mut Context<'_>, _: &mut Meters) -> Poll<io::Result<()>> {
        if let Some(Frames { writer, .. }) = &mut self.frames {
            let _ = writer.poll_flush(cx, self.stream)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Where frames have no address, only those of the one destination go to the client. The transport knows
    /// the addresses of a name.
    fn filter(&mut self, down: &mut Datagrams) {
        let Some(Frames {
            writer,
            destination,
            ..
        }) = &self.frames
        else {
            down.dropped(DropReason::Stranger, down.len());
            down.clear();
            return;
        };
        if let Some(destination) = destination {
            down.retain_mut(|source, _| {
                let is_it = match (destination, &*source) {
                    (Address::Ip(destination), Address::Ip(source)) => {
                        destination.ip() == source.ip() && destination.port() == source.port()
                    }
                    (destination, source) => destination.port() == source.port(),
                };
                is_it.then_some(true).ok_or(DropReason::Stranger)
            });
        }
        if writer.drop_beyond(down, self.backlog) {
            self.overflows();
        }
    }

    fn send(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut Datagrams,
        _: &mut Datagrams,
    ) -> io::Result<()> {
        let Some(Frames { writer, .. }) = &mut self.frames else {
            return Ok(());
        };
        let is_beyond = writer.write(cx, self.stream, down, self.backlog)?;
        let _ = writer.poll_flush(cx, self.stream)?;
        if is_beyond {
            self.overflows();
        }
        Ok(())
    }

    fn heard(&mut self, _: Instant) {}

    fn due(&self) -> Option<Instant> {
        self.last
    }

    fn overdue(&mut self, now: Instant, _: bool) -> Poll<io::Result<()>> {
        match self.last {
            Some(last) if last <= now => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn broken(error: io::Error, traffic: Traffic) -> io::Error {
        RelayError::broken(RelayErrorKind::Client, traffic, error)
    }
}
