//! Streams on which something goes wrong at the n-th operation.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the peer of a stream does from one operation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing any more, either way.
    Stalls,
    /// It sends on and reads nothing, so that nothing can be written.
    StopsReading,
    /// It has closed both ways: the end of what is read, and nobody to write to.
    Ends,
    /// A reset, whatever is asked.
    Resets,
    /// A reset as sockets have it: it is told once, and what comes behind it looks like an end.
    ResetsOnce,
    /// It says nothing any more, and reads on.
    HalfCloses,
    /// It goes on, one octet at a time for the next hundred operations.
    Dribbles,
    /// It takes nothing any more, and sends on.
    Refuses,
}

impl Fault {
    pub const ALL: [Self; 8] = [
        Self::Stalls,
        Self::StopsReading,
        Self::Ends,
        Self::Resets,
        Self::ResetsOnce,
        Self::HalfCloses,
        Self::Dribbles,
        Self::Refuses,
    ];

    /// Whether everything has to arrive all the same.
    pub fn is_harmless(self) -> bool {
        self == Self::Dribbles
    }
}

/// How a stream hands out what there is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Octets of one read or write at most.
    pub piece: usize,
    /// Whether there is a moment between one that moves something and the next.
    pub waits: bool,
}

/// What has happened on a stream so far.
#[derive(Debug, Default)]
pub struct Log {
    /// Operations that the stack asked for, those that had to wait included.
    pub operations: usize,
    /// Whether the fault has been met.
    pub fired: bool,
    /// Octets that the stack has read.
    pub read: usize,
    /// What the stack has written.
    pub written: Vec<u8>,
    /// What it had written to the stream before this one, when it first asked for anything here.
    pub began_behind: Option<usize>,
    pub dropped: bool,
}

pub type Shared<T> = Arc<Mutex<T>>;

/// The stack's end of a connection. It counts what the stack asks for, and fails when told to.
#[derive(Debug)]
pub struct Faulty<Io> {
    io: Io,
    pace: Pace,
    at: Option<(usize, Fault)>,
    waited: bool,
    told: bool,
    dribbles: bool,
    log: Shared<Log>,
    before: Option<Shared<Log>>,
}

impl<Io> Faulty<Io> {
    pub fn new(io: Io, pace: Pace, at: Option<(usize, Fault)>) -> (Self, Shared<Log>) {
        let log = Shared::<Log>::default();
        let stream = Self {
            io,
            pace,
            at,
            waited: false,
            told: false,
            dribbles: false,
            log: Arc::clone(&log),
            before: None,
        };
        (stream, log)
    }

    /// The same stream, which notes how far the other one had come.
    pub fn behind(mut self, before: &Shared<Log>) -> Self {
        self.before = Some(Arc::clone(before));
        self
    }

    /// Counts an operation, and says what is wrong with it.
    fn fault(&mut self) -> Option<Fault> {
        let mut log = self.log.lock().unwrap();
        if let Some(before) = self.before.take() {
            log.began_behind = Some(before.lock().unwrap().written.len());
        }
        let operation = log.operations;
        log.operations += 1;
        let (at, fault) = self.at.filter(|(at, _)| operation >= *at)?;
        log.fired = true;
        self.dribbles = fault == Fault::Dribbles && operation < at + 100;
        Some(fault)
    }

    /// Octets of this operation at most.
    fn piece(&self) -> usize {
        if self.dribbles { 1 } else { self.pace.piece }
    }

    /// Has the first operation after each one that moved something come again.
    fn pause(&mut self, cx: &mut Context<'_>) -> bool {
        let pauses = self.pace.waits && !self.waited;
        if pauses {
            self.waited = true;
            cx.waker().wake_by_ref();
        }
        pauses
    }

    /// A reset, for the first time.
    fn first_told(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// What comes of an operation that writes, if it is not for the stream to say.
    fn poll_fault<T>(&mut self, cx: &mut Context<'_>) -> Option<Poll<io::Result<T>>> {
        let error = match self.fault() {
            Some(Fault::Stalls | Fault::StopsReading) => return Some(Poll::Pending),
            Some(Fault::Ends | Fault::Refuses) => io::ErrorKind::BrokenPipe,
            Some(Fault::Resets) => io::ErrorKind::ConnectionReset,
            Some(Fault::ResetsOnce) if self.first_told() => io::ErrorKind::ConnectionReset,
            Some(Fault::ResetsOnce) => io::ErrorKind::BrokenPipe,
            Some(Fault::HalfCloses | Fault::Dribbles) | None => {
                return self.pause(cx).then_some(Poll::Pending);
            }
        };
        Some(Poll::Ready(Err(error.into())))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Faulty<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let reset = Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        match self.fault() {
            Some(Fault::Stalls) => return Poll::Pending,
            Some(Fault::Resets) => return reset,
            Some(Fault::ResetsOnce) if self.first_told() => return reset,
            Some(Fault::Ends | Fault::HalfCloses | Fault::ResetsOnce) => {
                return Poll::Ready(Ok(()));
            }
            Some(Fault::StopsReading | Fault::Dribbles | Fault::Refuses) | None => {}
        }
        if self.pause(cx) {
            return Poll::Pending;
        }
        let mut part = buf.take(self.piece());
        let outcome = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let read = part.filled().len();
        // `buf` cannot be told by safe code that they are in their place.
        let octets = part.filled().to_vec();
        buf.put_slice(&octets);
        self.waited &= read == 0;
        self.log.lock().unwrap().read += read;
        outcome
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Faulty<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(outcome) = self.poll_fault(cx) {
            return outcome;
        }
        let part = &bytes[..bytes.len().min(self.piece())];
        let outcome = Pin::new(&mut self.io).poll_write(cx, part);
        if let Poll::Ready(Ok(written)) = outcome {
            let written = &part[..written];
            self.log.lock().unwrap().written.extend_from_slice(written);
            self.waited = false;
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_fault(cx) {
            Some(outcome) => outcome,
            None => Pin::new(&mut self.io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_fault(cx) {
            Some(outcome) => outcome,
            None => Pin::new(&mut self.io).poll_shutdown(cx),
        }
    }
}

impl<Io> Drop for Faulty<Io> {
    fn drop(&mut self) {
        self.log.lock().unwrap().dropped = true;
    }
}
