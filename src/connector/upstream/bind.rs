use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    pin::pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::{DnsMode, RemoteDns, ResponseFuture, Socks5Upstream, Transport, candidates::judged};
use crate::{
    client::{ClientAuth, DefaultAuth, ProxyListener},
    connector::direct::Direct,
    error::{BoxError, Refusal, reply_code},
    io::{ClientStream, answer, refuse},
    proto::{Address, Command, Reply, ReplyCode},
    relay::{Relay, Traffic},
    session::{Request, Tunnel},
};

/// Carries BIND out by another proxy: both replies are that proxy's. See the [module](super).
///
/// The policies are asked about the peer that the proxy tells, and another one than the expected is
/// not let in. Of a name that is [resolved here](Socks5Upstream::local_dns), the first address
/// that they approve of is expected. A proxy that keeps the peer's address to itself, with zeros,
/// has to be trusted.
#[derive(Clone)]
pub struct UpstreamBind<C = Direct, L = DefaultAuth, N = RemoteDns> {
    upstream: Socks5Upstream<C, L, N>,
}

impl<C, L, N> UpstreamBind<C, L, N> {
    pub(super) const fn new(upstream: Socks5Upstream<C, L, N>) -> Self {
        Self { upstream }
    }
}

impl<C, L, N> Service<Request> for UpstreamBind<C, L, N>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
    N: DnsMode + Sync,
{
    type Response = UpstreamBindTunnel<L::Stream>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // The way to the proxy is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { upstream } = self.clone();
        ResponseFuture::new(async move {
            let peer = match &request.target {
                Address::Ip(address) if address.ip().is_unspecified() => request.target.clone(),
                // The address is asked about once the peer is there, with its true port.
                Address::Ip(_) => request.target.clone().canonical()?,
                Address::Name(..) => {
                    let candidates =
                        judged(&request, upstream.naming.clone(), upstream.client.limit()).await?;
                    candidates
                        .into_iter()
                        .next()
                        .ok_or("the peer has no address")?
                }
            };
            let listening = async {
                let way = upstream.stream().await?;
                let relay = way.relay();
                let client = upstream.client.clone().via(&way, &upstream.proxy);
                let listener = client.bind(way.into_inner(), peer.clone()).await?;
                Ok((listener, relay))
            };
            let (listener, relay) = upstream.noted(Command::BIND, &peer, listening.await)?;
            Ok(UpstreamBindTunnel {
                parts: Box::new(Parts {
                    listener,
                    expected: peer.ip().map(|address| address.ip()),
                    request,
                    relay,
                }),
            })
        })
    }
}

impl<C, L, N> fmt::Debug for UpstreamBind<C, L, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamBind").field(&self.upstream).finish()
    }
}

/// A listener at another proxy: the tunnel of [`UpstreamBind`].
///
/// What it consists of is boxed, as that of a [`BindTunnel`](crate::connector::bind::BindTunnel) is.
pub struct UpstreamBindTunnel<Io> {
    parts: Box<Parts<Io>>,
}

struct Parts<Io> {
    listener: ProxyListener<Io>,
    /// Zeros for anyone, and `None` for somebody whose address only the proxy knows.
    expected: Option<IpAddr>,
    request: Request,
    relay: Relay,
}

impl<Io> Tunnel for UpstreamBindTunnel<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn bound(&self) -> Address {
        self.parts.listener.bound().clone()
    }

    fn run<W: ClientStream>(
        self,
        mut client: W,
    ) -> impl Future<Output = io::Result<Traffic>> + Send {
        Box::pin(async move {
            let relay = self.parts.relay;
            match self.parts.peer(&mut client).await {
                Ok((stream, bound)) => {
                    let reply = Reply {
                        code: ReplyCode::SUCCEEDED,
                        bound,
                    };
                    answer(&mut client, &reply).await?;
                    relay.run(client, stream).await
                }
                Err(error) => {
                    refuse(client, reply_code(&error)).await;
                    Err(error)
                }
            }
        })
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Parts<Io> {
    /// The stream from the peer, and the peer.
    async fn peer<W: ClientStream>(self, client: &mut W) -> io::Result<(Io, Address)> {
        let mut coming = pin!(self.listener.accept());
        let (stream, peer) = poll_fn(|cx| {
            if let Poll::Ready(outcome) = coming.as_mut().poll(cx) {
                return Poll::Ready(outcome.map_err(io::Error::from));
            }
            match client.poll_closed(cx) {
                Poll::Ready(Ok(())) => {
                    let refusal = Refusal::new(
                        ReplyCode::GENERAL_FAILURE,
                        "the client closed before the peer came",
                    );
                    Poll::Ready(Err(io::Error::other(refusal)))
                }
                Poll::Ready(Err(gone)) => Poll::Ready(Err(gone)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        let peer = peer.canonical().map_err(io::Error::other)?;
        // A proxy that keeps the address to itself leaves nothing to ask about.
        if let Address::Ip(address) = peer
            && !address.ip().is_unspecified()
        {
            if let Some(expected) = self.expected
                && !expected.is_unspecified()
                && expected != address.ip()
            {
                let refusal = Refusal::not_allowed(format!("{address} is not the expected peer"));
                return Err(io::Error::other(refusal));
            }
            self.request.approve(address).map_err(io::Error::other)?;
            self.request.reached(address);
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
