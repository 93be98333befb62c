//! The halves of a socket whose datagrams travel in a stream.

use std::{
    cell::Cell,
    fmt, io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    frame_stream::{FrameStream, broken, closed},
    wakers::Half,
};
use crate::{
    client::ClientError,
    datagram::{Datagrams, FrameReader, Framed},
    error::find,
    io::{DropReason, lend, yield_turn},
    proto::{self, Address, Framing, UdpOverTcp, UdpOverTcpRequest},
};

/// Octets of payload that one call returns at most, but for a single datagram.
const AT_ONCE: usize = 64 * 1024;

/// What fits into a datagram of UDP. A frame that has more is dropped.
const LARGEST: usize = 65_507;

/// Batches without a usable datagram, in one poll, before other tasks get their turn.
const UNWANTED: usize = 4;

thread_local! {
    /// A batch of one.
    static ONE: Cell<Option<Datagrams>> = const { Cell::new(None) };
}

/// Sends frames.
#[derive(Debug)]
pub(super) struct FrameSender<Io> {
    stream: Arc<FrameStream<Io>>,
    framing: Framing,
    /// The only destination.
    destination: Option<Address>,
}

/// Receives frames.
pub(super) struct FrameReceiver<Io> {
    stream: Arc<FrameStream<Io>>,
    reader: FrameReader,
    /// The only source.
    source: Option<Address>,
}

/// Makes the halves of a stream in which a proxy expects frames. Nothing is written yet.
pub(super) fn halves<Io: AsyncWrite + Unpin>(
    io: Io,
    protocol: UdpOverTcp,
    destination: Option<Address>,
) -> (FrameSender<Io>, FrameReceiver<Io>) {
    let destination = destination.and_then(|it| it.canonical().ok());
    let (framing, request) = match protocol.framing() {
        Some(framing) => (framing, None),
        None => {
            let request = UdpOverTcpRequest {
                is_connect: destination.is_some(),
                // Zeros where frames have addresses: sing-box looks a name up here and opens a socket of this family,
                // and the stream ends with the first frame that cannot go by it. With zeros all can.
                destination: destination.clone().unwrap_or(Address::UNSPECIFIED),
            };
            (request.framing(), Some(request))
        }
    };
    let stream = Arc::new(FrameStream::new(io, framing, request));
    let sender = FrameSender {
        stream: Arc::clone(&stream),
        framing,
        destination: destination.clone(),
    };
    let receiver = FrameReceiver {
        stream,
        reader: FrameReader::new(framing, Vec::new()),
        source: destination,
    };
    (sender, receiver)
}

impl<Io> FrameSender<Io> {
    pub(super) fn max_payload(&self, target: &Address) -> usize {
        self.framing.max_payload(target)
    }

    fn check(&self) -> io::Result<()> {
        match self.stream.has_ended() {
            true => Err(closed().into()),
            false => Ok(()),
        }
    }

    /// Whether a datagram can go to `target`.
    fn check_datagram(&self, payload: &[u8], target: &Address) -> Result<(), ClientError> {
        if let Some(only) = &self.destination
            && target.clone().canonical().as_ref() != Ok(only)
        {
            let destination = only.clone();
            return Err(ClientError::OtherDestination { destination });
        }
        let (len, most) = (payload.len(), self.max_payload(target));
        match len <= most && self.framing.fits(target) {
            true => Ok(()),
            false => Err(ClientError::TooLarge { len, most }),
        }
    }
}

impl<Io: AsyncWrite + Unpin> FrameSender<Io> {
    pub(super) fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        payload: &[u8],
        target: &Address,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        self.check_datagram(payload, target)?;
        lend(&ONE, Datagrams::new, |one| {
            one.clear();
            one.push(target.clone(), payload);
            self.stream.poll_write(cx, one)
        })
    }

    pub(super) fn poll_send_batch(
        &self,
        cx: &mut Context<'_>,
        out: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        out.retain_mut(
            |target, payload| match self.check_datagram(payload, target) {
                Ok(()) => Ok(true),
                Err(_) => Err(DropReason::Unsendable),
            },
        );
        if !out.is_empty() {
            ready!(self.stream.poll_write(cx, out))?;
        }
        self.poll_flush(cx)
    }

    /// Ready once the stream has taken everything.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(Half::Sender, cx)
    }
}

impl<Io> FrameReceiver<Io> {
    pub(super) fn end(&self) {
        self.stream.end();
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> FrameReceiver<Io> {
    /// Puts at least one datagram into `batch`.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Datagrams,
    ) -> Poll<io::Result<()>> {
        self.stream.poll_unfinished(cx)?;
        let before = batch.len();
        for _ in 0..UNWANTED {
            if self.stream.has_ended() {
                return Poll::Ready(Err(closed().into()));
            }
            let only = &self.source;
            let mut stream = &*self.stream;
            let each = |(address, payload): Framed<'_>| {
                let source = match address {
                    Some(address) => address.ok().and_then(|it| it.canonical().ok()),
                    None => only.clone(),
                };
                if let Some(source) = source
                    && payload.len() <= LARGEST
                {
                    batch.push(source, payload);
                }
            };
            let reading = self.reader.poll_read(cx, &mut stream, AT_ONCE, each);
            match ready!(reading) {
                Ok(true) if batch.len() > before => return Poll::Ready(Ok(())),
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Err(self.stream.lost(closed))),
                Err(error) => return Poll::Ready(Err(self.stream.lost(|| malformed(error)))),
            }
        }
        yield_turn(cx);
        Poll::Pending
    }
}

/// Tells a frame that is none from a stream that failed.
fn malformed(error: io::Error) -> ClientError {
    match find::<proto::Error>(&error) {
        Some(source) => ClientError::BadFrame { source: *source },
        None => broken(error),
    }
}

/// Without the octets of frames.
impl<Io> fmt::Debug for FrameReceiver<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReceiver").finish_non_exhaustive()
    }
}
