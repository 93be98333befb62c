//! What stands between a client's stream and hyper.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    chunks::Chunks,
    head::{End, Framing, Head},
    notes::Notes,
    problem::Problem,
};
use crate::io::{PrefixedStream, Raw};

/// Octets that are read at once: a head of usual size, and a piece of a body.
const HEAD: usize = 2 * 1024;
const BODY: usize = 8 * 1024;

/// What hyper gets in place of a head that is answered with a page, whatever it says.
const PLACEHOLDER: &[u8] = b"GET / HTTP/1.1\r\nhost: -\r\n\r\n";

/// Lets hyper read one message at a time, whose head has been checked, and not an octet of what follows.
///
/// So a head that could be read in two manners does not reach hyper, which gets a [`PLACEHOLDER`] in its place. What a
/// client sends behind CONNECT is still here when hyper is done. And while a request is executed, the client
/// is watched: its end alone is a half-close, and hyper never hears of it.
///
/// Dropped in the middle of a response, it resets the client's connection: half of a response must not look like all
/// of it, and one without a length ends with the connection.
pub(super) struct Gate<Io: 'static> {
    /// There until it is taken out.
    io: Option<PrefixedStream<Io>>,
    /// Octets that were read and not handed on: those from `start`.
    buffer: Vec<u8>,
    start: usize,
    state: State,
    pub(super) notes: Notes,
}

enum State {
    /// A head is read.
    Head(End),
    /// So many octets of a head are handed on, before its body.
    Hand(usize, Framing),
    /// So many octets of a body are handed on.
    Length(u64),
    Chunked(Chunks),
    /// The message is complete, and its response is not.
    Held,
}

impl<Io: 'static> Drop for Gate<Io> {
    fn drop(&mut self) {
        if self.notes.lock().responding
            && let Some(socket) = self.io.as_ref().and_then(Raw::beneath)
        {
            let _ = socket.reset();
        }
    }
}

impl<Io: 'static> Gate<Io> {
    pub(super) fn new(io: PrefixedStream<Io>, notes: Notes) -> Self {
        Self {
            io: Some(io),
            buffer: Vec::new(),
            start: 0,
            state: State::Head(End::default()),
            notes,
        }
    }

    /// Returns the client's stream, with what has been read and belongs to no message.
    pub(super) fn into_stream(mut self) -> Option<PrefixedStream<Io>> {
        let io = self.io.take()?;
        let kept = self.left();
        if kept.is_empty() {
            return Some(io);
        }
        let mut ahead = kept.to_vec();
        let (io, behind) = io.into_parts();
        ahead.extend(behind);
        Some(PrefixedStream::with_bytes(io, ahead))
    }

    /// The client's stream.
    pub(super) fn stream(&mut self) -> io::Result<&mut PrefixedStream<Io>> {
        self.io.as_mut().ok_or(io::ErrorKind::NotConnected.into())
    }

    pub(super) const fn stream_ref(&self) -> Option<&PrefixedStream<Io>> {
        self.io.as_ref()
    }

    pub(super) fn left(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Returns `true` in the middle of a message, of which hyper may want no more for now.
    pub(super) const fn is_within(&self) -> bool {
        !matches!(self.state, State::Head(_) | State::Held)
    }

    fn taken(&mut self, octets: usize) {
        self.start += octets;
        if self.start >= self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// Puts `head` in place of the first `length` octets.
    fn replace(&mut self, length: usize, head: &[u8]) {
        let mut replaced = head.to_vec();
        replaced.extend_from_slice(self.left().get(length..).unwrap_or_default());
        self.buffer = replaced;
        self.start = 0;
    }

    /// Checks the head at the beginning of what is left, and makes it ready for hyper.
    fn admit(&mut self, length: usize) {
        let head = self.left().get(..length).unwrap_or_default();
        let checked = Head::check(head).and_then(|checked| {
            let target = head.get(checked.target.clone()).map(<[u8]>::to_vec);
            let target = target.and_then(|target| String::from_utf8(target).ok());
            let target = target.ok_or(Problem::Malformed("the target is no text"))?;
            Ok((checked, target))
        });
        match checked {
            Ok((checked, target)) => {
                // hyper has no opinion of targets then.
                let mut shown = head
                    .get(..checked.target.start)
                    .unwrap_or_default()
                    .to_vec();
                shown.push(b'/');
                shown.extend_from_slice(head.get(checked.target.end..).unwrap_or_default());
                self.replace(length, &shown);
                self.state = State::Hand(shown.len(), checked.framing);
                self.notes.lock().head = Some(Ok(target));
            }
            Err(problem) => self.refuse(problem),
        }
    }

    /// Has the request answered with a page, and reads no more.
    fn refuse(&mut self, problem: Problem) {
        self.buffer = PLACEHOLDER.to_vec();
        self.start = 0;
        self.state = State::Hand(PLACEHOLDER.len(), Framing::Length(0));
        self.notes.lock().head = Some(Err(problem));
    }
}

impl<Io: AsyncRead + Unpin + 'static> Gate<Io> {
    /// Reads a head. Ready with `true` once hyper can have it, and with `false` once there will be none.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let State::Head(end) = &mut self.state else {
                return Poll::Ready(Ok(true));
            };
            let refused = self.notes.lock().refuse.take();
            if let Some(problem) = refused {
                self.refuse(problem);
                continue;
            }
            // An empty line before a request is one too many behind the last body.
            while self
                .buffer
                .get(self.start..)
                .is_some_and(|left| left.starts_with(b"\r\n"))
            {
                self.start += 2;
            }
            let left = self.buffer.get(self.start..).unwrap_or_default();
            match end.find(if left == b"\r" { b"" } else { left }) {
                Ok(Some(length)) => {
                    self.admit(length);
                    continue;
                }
                Ok(None) => {}
                Err(problem) => {
                    self.refuse(problem);
                    continue;
                }
            }
            self.notes.lock().begun = !left.is_empty();
            if ready!(self.poll_fill(cx, HEAD))? == 0 {
                self.notes.lock().ended = true;
                return Poll::Ready(Ok(false));
            }
        }
    }

    /// Reads up to so many octets behind those that are left.
    fn poll_fill(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
        }
        let kept = self.buffer.len();
        self.buffer.resize(kept + most, 0);
        let mut room = ReadBuf::new(self.buffer.get_mut(kept..).unwrap_or_default());
        let polled = match &mut self.io {
            Some(io) => Pin::new(io).poll_read(cx, &mut room),
            None => Poll::Ready(Ok(())),
        };
        let read = room.filled().len();
        self.buffer.truncate(kept + read);
        if self.buffer.is_empty() {
            // Who waits keeps no buffer.
            self.buffer = Vec::new();
        }
        if let Poll::Ready(Err(error)) = &polled {
            self.notes.lock().gone = Some(error.kind());
        }
        ready!(polled)?;
        Poll::Ready(Ok(read))
    }

    /// Reads a piece of a body, unless some is left.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.left().is_empty() && ready!(self.poll_fill(cx, BODY))? == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Gate<Io> {
    /// Reads the next octets for hyper into the cursor: some, if it is ready.
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        cursor: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.state {
                State::Head(_) => {
                    if !ready!(self.poll_head(cx))? {
                        // The conversation looks at the notes, and needs no waker.
                        return Poll::Pending;
                    }
                }
                State::Hand(0, framing) => {
                    self.state = match framing {
                        Framing::Length(length) => State::Length(*length),
                        Framing::Chunked => State::Chunked(Chunks::new()),
                    };
                }
                State::Hand(left, framing) => {
                    let (left, framing) = (*left, *framing);
                    let octets = self.left().get(..left).unwrap_or_default();
                    let octets = octets.get(..cursor.remaining()).unwrap_or(octets);
                    let handed = octets.len();
                    cursor.put_slice(octets);
                    self.taken(handed);
                    self.state = State::Hand(left - handed, framing);
                    return Poll::Ready(Ok(()));
                }
                State::Length(0) => self.state = State::Held,
                State::Length(left) => {
                    let left = *left;
                    ready!(self.poll_body(cx))?;
                    let octets = self.left();
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let most = most.min(cursor.remaining());
                    let octets = octets.get(..most).unwrap_or(octets);
                    let handed = octets.len();
                    cursor.put_slice(octets);
                    self.taken(handed);
                    self.state = State::Length(left.saturating_sub(handed as u64));
                    return Poll::Ready(Ok(()));
                }
                State::Chunked(chunks) if chunks.is_over() => self.state = State::Held,
                State::Chunked(_) => {
                    ready!(self.poll_body(cx))?;
                    let Self {
                        state,
                        buffer,
                        start,
                        ..
                    } = self;
                    let State::Chunked(chunks) = state else {
                        continue;
                    };
                    let octets = buffer.get(*start..).unwrap_or_default();
                    let octets = octets.get(..cursor.remaining()).unwrap_or(octets);
                    let handed = chunks.take(octets)?;
                    cursor.put_slice(octets.get(..handed).unwrap_or_default());
                    self.taken(handed);
                    return Poll::Ready(Ok(()));
                }
                State::Held => {
                    let mut notes = self.notes.lock();
                    if !notes.next {
                        drop(notes);
                        return self.poll_held(cx);
                    }
                    notes.next = false;
                    drop(notes);
                    self.state = State::Head(End::default());
                }
            }
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Read for Gate<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_message(cx, &mut cursor)
    }
}
