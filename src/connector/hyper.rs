//! Connectors for hyper and tonic: [`Uri`] is a [`Target`], and [`Connected`] is one of hyper's streams.

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

use crate::{
    error::BoxError,
    proto::Address,
    session::{Connected, Request, Target},
};

/// Names the authority of a URI: with the port of its scheme where it has none, 80 for `http` and `ws`,
/// and 443 for `https` and `wss`.
///
/// It comes without policies. A connector behind a policy of yours takes a
/// [`Request`](crate::Request), with a guard.
///
/// This makes a connector what hyper-util's client and tonic's `connect_with_connector` ask for, as
/// it is, and what TLS such as that of hyper-rustls goes on top of:
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Empty;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpListener};
/// use tower_socks::connector::direct::Direct; // or an upstream
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_socks::BoxError> {
/// let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(Direct::new());
///
/// let site = TcpListener::bind("127.0.0.1:0").await?;
/// let uri = format!("http://localhost:{}/", site.local_addr()?.port()).parse()?;
/// # tokio::spawn(async move {
/// #     let (mut stream, _) = site.accept().await?;
/// #     stream.read_u8().await?;
/// #     stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
/// # });
/// assert_eq!(client.get(uri).await?.status(), 204);
/// # Ok(())
/// # }
/// ```
impl Target for Uri {
    fn address(&self) -> Result<Address, BoxError> {
        let host = self.host().filter(|host| !host.is_empty());
        let host = host.ok_or(NoTarget("has no host"))?;
        let port = match written_port(self, host) {
            Some(text) => text
                .parse()
                .map_err(|_| NoTarget("has a port that is no number up to 65535"))?,
            None => known_port(self.scheme())
                .ok_or(NoTarget("has no port, and no scheme that has one"))?,
        };
        // An IPv6 address stands in brackets here, and in nothing there.
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        match bare.map(str::parse) {
            Some(Ok(address)) => Ok(Address::Ip((IpAddr::V6(address), port).into())),
            Some(Err(_)) => Err(NoTarget("has something in brackets that is no address").into()),
            None => Ok(Address::new(host, port)?),
        }
    }

    fn request(&self) -> Option<&Request> {
        None
    }
}

/// `Uri::port` takes a port that is no `u16` for none, which would be that of the scheme.
fn written_port<'a>(uri: &'a Uri, host: &str) -> Option<&'a str> {
    let authority = uri.authority()?.as_str();
    let place = authority.rsplit('@').next()?;
    let port = place.strip_prefix(host)?.strip_prefix(':')?;
    Some(port).filter(|port| !port.is_empty())
}

fn known_port(scheme: Option<&Scheme>) -> Option<u16> {
    let is = |name: &str| scheme.is_some_and(|scheme| scheme.as_str().eq_ignore_ascii_case(name));
    if is("http") || is("ws") {
        return Some(80);
    }
    (is("https") || is("wss")).then_some(443)
}

/// What a URI lacks. It may contain secrets, so it is not quoted.
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

/// Says nothing of the connection: what goes through it is for the target, which does not see a proxy,
/// and which of HTTP's versions it speaks is known to the layer that puts TLS on top.
impl<Io> connect::Connection for Connected<Io> {
    fn connected(&self) -> connect::Connected {
        connect::Connected::new()
    }
}
