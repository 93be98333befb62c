use std::{
    fmt,
    future::Future,
    io,
    net::IpAddr,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::{ResponseFuture, candidates::approved, listen::Listen};
use crate::{
    admission::Place,
    client::ProxyListener,
    connector::second_reply::second_reply,
    error::{BoxError, Refusal},
    io::ClientStream,
    proto::Address,
    relay::{Relay, Traffic},
    session::{Request, Tunnel, UserLimit, UserOrClient},
};

/// Executes BIND by another proxy: both replies are that proxy's. See the [module](super).
///
/// The policies are asked about the peer that the proxy reports, and another one than the expected is
/// rejected. Of a name that is [resolved here](Socks5Upstream::local_dns), the first address that they
/// allow is expected. A proxy that keeps the peer's address to itself, with zeros, has to be trusted.
#[derive(Clone)]
pub struct UpstreamBind<U> {
    upstream: U,
    limit: UserLimit,
}

impl<U> UpstreamBind<U> {
    pub(super) fn new(upstream: U) -> Self {
        Self {
            upstream,
            limit: UserLimit::binds(64),
        }
    }

    /// Limits the BINDs that each user may have at once, and each client without a name: 64 by default.
    /// One counts from its request to the end of its tunnel. Further requests are refused with 02.
    #[must_use]
    pub fn per_client(mut self, limit: usize) -> Self {
        self.limit = self.limit.with_most(limit);
        self
    }

    /// Takes the places of a limit that others count in as well, in place of its own: another one that goes on after this
    /// one, or one whose numbers change.
    #[must_use]
    pub fn limit(mut self, limit: UserLimit) -> Self {
        self.limit = limit;
        self
    }
}

impl<U: Listen> Service<Request> for UpstreamBind<U> {
    type Response = UpstreamBindTunnel<U::Io>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // The transport is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { upstream, limit } = self.clone();
        ResponseFuture::new(async move {
            let place = limit.take(&request)?;
            let peer = match &request.target {
                Address::Ip(address) if address.ip().is_unspecified() => request.target.clone(),
                // The address is asked about once the peer is there, with its true port.
                Address::Ip(_) => request.target.clone().canonical()?,
                Address::Name(..) => {
                    let candidates = approved(&request, upstream.dns(), upstream.limit()).await?;
                    candidates
                        .into_iter()
                        .next()
                        .ok_or("the peer has no address")?
                }
            };
            let (listener, relay) = upstream.listen(&request, &peer).await?;
            if peer.name().is_some() {
                request.handed_on();
            }
            Ok(UpstreamBindTunnel {
                parts: Box::new(Parts {
                    listener,
                    expected: peer.ip().map(|address| address.ip()),
                    request,
                    relay,
                    place: Some(place),
                }),
            })
        })
    }
}

impl<U: fmt::Debug> fmt::Debug for UpstreamBind<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamBind").field(&self.upstream).finish()
    }
}

/// Waits for the peer of a listener at another proxy, and relays: the tunnel of [`UpstreamBind`].
///
/// Its parts are boxed, so that a connector that knows all commands does not make every CONNECT as
/// large as this.
pub struct UpstreamBindTunnel<Io> {
    parts: Box<Parts<Io>>,
}

struct Parts<Io> {
    listener: ProxyListener<Io>,
    /// Zeros for any peer, and `None` for one whose address only the proxy knows.
    expected: Option<IpAddr>,
    request: Request,
    relay: Relay,
    /// Kept to the end of the tunnel.
    place: Option<Place<UserOrClient>>,
}

impl<Io> Tunnel for UpstreamBindTunnel<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn bound(&self) -> Address {
        self.parts.listener.bound().clone()
    }

    fn run<W: ClientStream>(
        mut self,
        client: W,
    ) -> impl Future<Output = io::Result<Traffic>> + Send {
        let replies = self.parts.request.replies();
        let relay = self.parts.relay;
        let place = self.parts.place.take();
        let running = Box::pin(second_reply(client, self.parts.accept(), replies, relay));
        async move {
            let outcome = running.await;
            drop(place);
            outcome
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Parts<Io> {
    /// Waits for the proxy's second reply: the stream from the peer, and the peer.
    async fn accept(self: Box<Self>) -> io::Result<(Io, Address)> {
        let Self {
            listener,
            expected,
            request,
            ..
        } = *self;
        let (stream, peer) = listener.accept().await.map_err(io::Error::from)?;
        let peer = peer.canonical().map_err(io::Error::other)?;
        // A proxy that keeps the address to itself leaves nothing to ask the policies about.
        if let Address::Ip(address) = peer
            && !address.ip().is_unspecified()
        {
            if let Some(expected) = expected
                && !expected.is_unspecified()
                && expected != address.ip()
            {
                let refusal = Refusal::not_allowed(format!("{address} is not the expected peer"));
                return Err(io::Error::other(refusal));
            }
            request.approve(address).map_err(io::Error::other)?;
            request.reached(address);
        }
        Ok((stream.into_inner(), peer))
    }
}

impl<Io> fmt::Debug for UpstreamBindTunnel<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBindTunnel")
            .field("bound", self.parts.listener.bound())
            .finish_non_exhaustive()
    }
}
