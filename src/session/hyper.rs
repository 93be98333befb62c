//! What hyper and its friends ask of a connector: [`Uri`] is a [`Target`], and [`Connected`] is a
//! stream of theirs.

use std::{
    error::Error,
    fmt, io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Uri, uri::Scheme};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{client::legacy::connect, rt::TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connected, Target};
use crate::{error::BoxError, proto::Address};

/// A URI names its authority: with the port of its scheme where it has none, 80 for `http` and `ws`,
/// and 443 for `https` and `wss`.
///
/// It comes without policies. A connector behind a policy of yours takes a
/// [`Request`](crate::Request), with a guard.
impl Target for Uri {
    fn address(&self) -> Result<Address, BoxError> {
        let host = self.host().filter(|host| !host.is_empty());
        let host = host.ok_or(NoTarget("has no host"))?;
        let known = match self.scheme().map(Scheme::as_str) {
            Some("http" | "ws") => Some(80),
            Some("https" | "wss") => Some(443),
            _ => None,
        };
        let port = match self.port_u16().or(known) {
            Some(port) => port,
            None => return Err(NoTarget("has no port, and no scheme that has one").into()),
        };
        // An IPv6 address stands in brackets here, and in nothing there.
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        match bare.map(str::parse) {
            Some(Ok(address)) => Ok(Address::Ip((IpAddr::V6(address), port).into())),
            Some(Err(_)) => Err(NoTarget("has something in brackets that is no address").into()),
            None => Ok(Address::new(host, port)?),
        }
    }
}

/// What a URI lacks. It may carry secrets, so it is not quoted.
#[derive(Debug)]
struct NoTarget(&'static str);

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the URI {}: write it like http://example.com:8080/",
            self.0
        )
    }
}

impl Error for NoTarget {}

impl<Io: AsyncRead> Read for Connected<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut TokioIo::new(self.pinned())).poll_read(cx, buf)
    }
}

impl<Io: AsyncWrite> Write for Connected<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.get_ref().is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write_vectored(cx, bufs)
    }
}

/// Nothing is said of the connection: what goes through it is for the target, which does not see a
/// proxy, and which of HTTP's versions it speaks is known to whoever puts TLS on top.
impl<Io> connect::Connection for Connected<Io> {
    fn connected(&self) -> connect::Connected {
        connect::Connected::new()
    }
}
