use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, BytesMut};
use shadowsocks::{
    context::SharedContext,
    crypto::utils::random_iv_or_salt,
    relay::{
        Address,
        tcprelay::crypto_io::{CryptoRead, CryptoStream, CryptoWrite, StreamType},
    },
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::keys::{Keys, METHOD};

/// A stream through a shadowsocks server.
///
/// The crate has one of its own, `ProxyClientStream`, which sends the request with the first octets of the client,
/// and never while that waits for the target to speak first. Here the request goes out at once, with padding in
/// place of octets.
pub struct ShadowsocksStream<Io> {
    stream: CryptoStream<Io>,
    context: SharedContext,
    /// The response was to this request, and is no other's that somebody has recorded.
    is_ours: bool,
}

impl<Io> ShadowsocksStream<Io> {
    pub(super) fn new(keys: Keys, io: Io) -> Self {
        let stream = CryptoStream::from_stream_with_identity(
            &keys.context,
            io,
            StreamType::Client,
            METHOD,
            keys.config.key(),
            keys.config.identity_keys(),
            None,
        );
        Self {
            stream,
            context: keys.context,
            is_ours: false,
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> ShadowsocksStream<Io> {
    /// Asks the server to connect to `target`. It says nothing to that.
    pub(super) async fn request(&mut self, target: &Address) -> io::Result<()> {
        let mut header = BytesMut::new();
        target.write_to_buf(&mut header);
        // A request is as long as nobody can tell. Servers refuse one that has neither padding nor octets behind it.
        let mut random = [0; 2];
        random_iv_or_salt(&mut random);
        let padding = 1 + u16::from_be_bytes(random) % 900;
        header.put_u16(padding);
        header.put_bytes(0, padding.into());
        poll_fn(|cx| self.poll_encrypted(cx, &header)).await?;
        poll_fn(|cx| self.stream.poll_flush(cx)).await?;
        Ok(())
    }

    fn poll_encrypted(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_encrypted(cx, octets);
        written.map_err(io::Error::from)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for ShadowsocksStream<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read_decrypted(cx, &this.context, into))?;
        if !this.is_ours && into.filled().len() > before {
            if this.stream.received_request_nonce() != Some(this.stream.sent_nonce()) {
                into.set_filled(before);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            this.is_ours = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ShadowsocksStream<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_encrypted(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.get_mut().stream.poll_flush(cx);
        flushed.map_err(io::Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.get_mut().stream.poll_shutdown(cx);
        shut.map_err(io::Error::from)
    }
}
