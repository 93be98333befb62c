//! A stream whose far end has said everything in advance.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was done to a stream, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One write.
    Wrote(Vec<u8>),
    /// One read that took so many octets.
    Read(usize),
    /// It was dropped.
    DropReason,
}

/// What comes behind the last octet.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    Ends,
    Waits,
}

/// Yields its pieces one read at a time, each after a moment, and keeps what is written.
#[derive(Debug)]
pub struct Canned {
    pieces: VecDeque<Vec<u8>>,
    paused: bool,
    then: Then,
    log: Log,
}

#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Event>>>);

impl Canned {
    pub fn new<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>, then: Then) -> (Self, Log) {
        let pieces = pieces.into_iter().map(|piece| piece.as_ref().to_vec());
        let log = Log::default();
        let canned = Self {
            pieces: pieces.filter(|piece| !piece.is_empty()).collect(),
            paused: false,
            then,
            log: log.clone(),
        };
        (canned, log)
    }

    /// Everything at once, and then the end.
    pub fn says(bytes: &[u8]) -> (Self, Log) {
        Self::new([bytes], Then::Ends)
    }

    /// One octet at a time, and then the end.
    pub fn dribbles(bytes: &[u8]) -> (Self, Log) {
        Self::new(bytes.chunks(1), Then::Ends)
    }

    /// What is there to be read still.
    pub fn rest(&self) -> Vec<u8> {
        self.pieces.iter().flatten().copied().collect()
    }
}

impl Log {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// All that was written, and in how many writes.
    pub fn written(&self) -> (Vec<u8>, usize) {
        let events = self.events();
        let writes = events.iter().filter_map(|event| match event {
            Event::Wrote(bytes) => Some(&**bytes),
            _ => None,
        });
        let writes: Vec<_> = writes.collect();
        (writes.concat(), writes.len())
    }

    pub fn is_dropped(&self) -> bool {
        self.events().contains(&Event::DropReason)
    }

    fn push(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl AsyncRead for Canned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.paused = !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else {
            return match self.then {
                Then::Ends => Poll::Ready(Ok(())),
                Then::Waits => Poll::Pending,
            };
        };
        let taken = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..taken]);
        if taken < piece.len() {
            self.pieces.push_front(piece.split_off(taken));
        }
        self.log.push(Event::Read(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canned {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.log.push(Event::Wrote(bytes.to_vec()));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.log.push(Event::DropReason);
    }
}
