//! A stream that does what its script says, and keeps account.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::script::{Read, Script, Stall, Write};

/// What happened to a stream.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Octets that it handed out.
    pub(crate) read: usize,
    pub(crate) written: Vec<u8>,
    pub(crate) ended: bool,
    pub(crate) shut_down: bool,
    pub(crate) dropped: bool,
    /// It has failed a read or a write.
    pub(crate) failed: bool,
}

/// The account of a stream, which outlives it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book(Arc<Mutex<Account>>);

impl Book {
    pub(crate) fn open(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Witness = Box<dyn FnMut(&[u8]) + Send>;

/// One end of a connection in memory; the other end is a script.
pub(crate) struct Scripted {
    script: Script,
    book: Book,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
    closing: Option<Pin<Box<Sleep>>>,
    /// Sees each write as it happens.
    witness: Option<Witness>,
}

impl Scripted {
    pub(crate) fn new(script: Script) -> (Self, Book) {
        let book = Book::default();
        let stream = Self {
            script,
            book: book.clone(),
            reading: None,
            writing: None,
            closing: None,
            witness: None,
        };
        (stream, book)
    }

    /// Says these octets, in such pieces, and then ends.
    pub(crate) fn says(pieces: impl IntoIterator<Item = Vec<u8>>) -> (Self, Book) {
        let mut script = Script::default();
        for piece in pieces {
            script.reads.push_back(Read::Says(piece));
            script.reads.push_back(Read::Stalls(Stall::Once));
        }
        script.reads.push_back(Read::Ends);
        Self::new(script)
    }

    pub(crate) fn witnessed(mut self, witness: impl FnMut(&[u8]) + Send + 'static) -> Self {
        self.witness = Some(Box::new(witness));
        self
    }
}

/// Ready once a stall is over.
fn poll_stall(stall: Stall, timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
    match stall {
        Stall::Once if timer.is_none() => {
            // The mark of a poll that was put off.
            *timer = Some(Box::pin(sleep(std::time::Duration::ZERO)));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Stall::Once => {}
        Stall::For(time) => {
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(time)));
            ready!(timer.as_mut().poll(cx));
        }
    }
    *timer = None;
    Poll::Ready(())
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        assert!(buf.remaining() > 0, "a read into nothing looks like an end");
        loop {
            match this.script.reads.front_mut() {
                Some(Read::Says(octets)) if octets.is_empty() => {}
                Some(Read::Says(octets)) => {
                    let count = octets.len().min(buf.remaining());
                    buf.put_slice(&octets[..count]);
                    octets.drain(..count);
                    this.book.open().read += count;
                    return Poll::Ready(Ok(()));
                }
                Some(Read::Stalls(stall)) => {
                    ready!(poll_stall(*stall, &mut this.reading, cx));
                }
                // An end lasts, and so does a failure.
                Some(Read::Ends) => {
                    this.book.open().ended = true;
                    return Poll::Ready(Ok(()));
                }
                Some(Read::Fails(kind)) => {
                    this.book.open().failed = true;
                    return Poll::Ready(Err((*kind).into()));
                }
                None => return Poll::Pending,
            }
            this.script.reads.pop_front();
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let most = match this.script.writes.front() {
                Some(Write::Stalls(stall)) => {
                    ready!(poll_stall(*stall, &mut this.writing, cx));
                    this.script.writes.pop_front();
                    continue;
                }
                Some(Write::Fails(kind)) => {
                    this.book.open().failed = true;
                    return Poll::Ready(Err((*kind).into()));
                }
                Some(Write::Takes(most)) => *most,
                None => usize::MAX,
            };
            let mut book = this.book.open();
            assert!(!book.shut_down, "written to behind its end");
            let taken = &octets[..octets.len().min(most)];
            book.written.extend_from_slice(taken);
            drop(book);
            if let Some(witness) = &mut this.witness {
                witness(taken);
            }
            this.script.writes.pop_front();
            return Poll::Ready(Ok(taken.len()));
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_close(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_close(cx))?;
        this.book.open().shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl Scripted {
    /// A flush or a shutdown.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.script.closes.front() {
            Some(Write::Stalls(stall)) => {
                ready!(poll_stall(*stall, &mut self.closing, cx));
                self.script.closes.pop_front();
                Poll::Ready(Ok(()))
            }
            Some(Write::Fails(kind)) => {
                self.book.open().failed = true;
                Poll::Ready(Err((*kind).into()))
            }
            Some(Write::Takes(_)) | None => Poll::Ready(Ok(())),
        }
    }
}

impl tower_socks::io::ClientStream for Scripted {
    fn sealing(&mut self) -> tower_socks::io::Sealing {
        tower_socks::io::Sealing::Clear
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.book.open().dropped = true;
    }
}
