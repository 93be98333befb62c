//! What hyper writes to a client.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::Write;
use tokio::io::{AsyncRead, AsyncWrite};

use super::gate::Gate;

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Gate<Io> {
    /// Writes the interim responses.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let notes = self.notes.clone();
        let mut notes = notes.lock();
        while !notes.interim.is_empty() {
            let written = ready!(Pin::new(self.stream()?).poll_write(cx, &notes.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            notes.interim.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Notes whether the client takes what is written.
    fn noted(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut notes = self.notes.lock();
        notes.blocked = polled.is_pending();
        if let Poll::Ready(Ok(written)) = polled {
            notes.written = notes.written.saturating_add(written as u64);
        }
        polled
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Write for Gate<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.poll_interim(cx)?.is_pending() {
            return this.noted(Poll::Pending);
        }
        let polled = Pin::new(this.stream()?).poll_write(cx, octets);
        this.noted(polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.poll_interim(cx)?.is_pending() {
            this.notes.lock().blocked = true;
            return Poll::Pending;
        }
        // Who reads nothing of a body does not hear of a reset; a flush is asked for each time.
        if let Poll::Ready(gone) = this.poll_within(cx) {
            return Poll::Ready(Err(gone));
        }
        // A stream inside another one, as of TLS, takes what is written before it is out.
        let polled = Pin::new(this.stream()?).poll_flush(cx);
        this.notes.lock().blocked = polled.is_pending();
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream()?).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.poll_interim(cx)?.is_pending() {
            return this.noted(Poll::Pending);
        }
        let polled = Pin::new(this.stream()?).poll_write_vectored(cx, octets);
        this.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}
