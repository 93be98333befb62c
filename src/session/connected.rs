use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Tunnel;
use crate::io::ClientStream;
use crate::{
    proto::Address,
    relay::{Relay, Traffic},
};

pin_project! {
    /// A stream to a target: what a connector for CONNECT returns.
    ///
    /// In a proxy it is a [`Tunnel`], which relays between the client and the stream. Elsewhere it
    /// is a plain `AsyncRead + AsyncWrite`.
    #[derive(Debug)]
    pub struct Connected<Io> {
        #[pin]
        io: Io,
        bound: Address,
        relay: Relay,
        through_proxy: bool,
    }
}

impl<Io> Connected<Io> {
    /// Creates a stream whose near end is `bound`.
    pub const fn new(io: Io, bound: Address) -> Self {
        Self {
            io,
            bound,
            relay: Relay::new(),
            through_proxy: false,
        }
    }

    /// Returns the same stream with other limits for its life as a tunnel.
    #[must_use]
    pub const fn with_relay(mut self, relay: Relay) -> Self {
        self.relay = relay;
        self
    }

    /// Returns the same stream, which another proxy has made: at its other end is that one, and not
    /// the target.
    #[must_use]
    pub(crate) const fn through_proxy(mut self) -> Self {
        self.through_proxy = true;
        self
    }

    /// Returns whether a proxy is at the other end, and not the target.
    pub(crate) const fn is_through_proxy(&self) -> bool {
        self.through_proxy
    }

    /// Returns the stream, where it stays in its place.
    #[cfg(feature = "http")]
    pub(crate) fn pinned(self: Pin<&mut Self>) -> Pin<&mut Io> {
        self.project().io
    }

    /// Returns the limits of its life as a tunnel.
    pub(crate) const fn relay(&self) -> Relay {
        self.relay
    }

    /// Returns the local address of the outgoing socket, as far as it is known (RFC 1928 section 6,
    /// BND).
    pub const fn bound(&self) -> &Address {
        &self.bound
    }

    /// Returns the stream.
    pub const fn get_ref(&self) -> &Io {
        &self.io
    }

    /// Returns the stream, to change.
    pub const fn get_mut(&mut self) -> &mut Io {
        &mut self.io
    }

    /// Returns the stream alone.
    pub fn into_inner(self) -> Io {
        self.io
    }

    /// Takes the stream out, for what may fail while everything else stays.
    #[cfg(feature = "tls")]
    pub(crate) fn take_io(self) -> (Io, Connected<()>) {
        let Self {
            io,
            bound,
            relay,
            through_proxy,
        } = self;
        let rest = Connected {
            io: (),
            bound,
            relay,
            through_proxy,
        };
        (io, rest)
    }

    /// Returns the same, over another stream.
    pub fn map_io<T>(self, wrap: impl FnOnce(Io) -> T) -> Connected<T> {
        Connected {
            io: wrap(self.io),
            bound: self.bound,
            relay: self.relay,
            through_proxy: self.through_proxy,
        }
    }
}

impl<Io> Tunnel for Connected<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn bound(&self) -> Address {
        self.bound.clone()
    }

    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        self.relay.run(client, self.io)
    }
}

impl<Io: AsyncRead> AsyncRead for Connected<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<Io: AsyncWrite> AsyncWrite for Connected<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
