use std::{
    fmt,
    task::{Context, Poll},
};

use tokio::time::Instant;
use tower_service::Service;

use super::{
    DnsMode, MakeUpstream, RemoteDns, ResponseFuture, Transport, UpstreamBind, candidates::judged,
};
use crate::{
    client::{Client, ClientAuth, ClientError, ClientFault, DefaultAuth},
    connector::direct::Direct,
    error::{BoxError, Chain},
    proto::{Address, Command},
    session::{Connected, Target},
};

/// Connects through a SOCKS5 proxy. See the [module](super).
///
/// `C` is the way to the proxy, `L` how to log in there, and `N` who resolves the names of targets.
/// Clones share the credentials.
#[derive(Clone)]
pub struct Socks5Upstream<C = Direct, L = DefaultAuth, N = RemoteDns> {
    pub(super) proxy: Address,
    pub(super) way: C,
    pub(super) client: Client<L>,
    pub(super) naming: N,
}

impl Socks5Upstream {
    /// Through this proxy, dialled from this machine, without authentication. Names go to the proxy
    /// as names (`socks5h`).
    #[must_use]
    pub fn new(proxy: impl Into<Address>) -> Self {
        Self {
            proxy: proxy.into(),
            way: Direct::new(),
            client: Client::new(),
            naming: RemoteDns,
        }
    }
}

impl<C, L, N> Socks5Upstream<C, L, N> {
    /// Reaches the proxy by another connector: one that puts TLS on top, or another upstream.
    #[must_use]
    pub fn via<T: Transport>(self, way: T) -> Socks5Upstream<T, L, N> {
        Socks5Upstream {
            proxy: self.proxy,
            way,
            client: self.client,
            naming: self.naming,
        }
    }

    /// Speaks to the proxy by this client: with credentials, in one round trip, with another limit.
    #[must_use]
    pub fn client<T>(self, client: Client<T>) -> Socks5Upstream<C, T, N> {
        Socks5Upstream {
            proxy: self.proxy,
            way: self.way,
            client,
            naming: self.naming,
        }
    }

    /// Resolves the names of targets here, by this resolver, and sends addresses to the proxy
    /// (`socks5`): policies are then asked about each of them.
    ///
    /// Of a name with several addresses the next one is tried where the proxy could not reach the
    /// one before. A datagram to a name is dropped, since nobody waits for a lookup with it.
    #[must_use]
    pub fn local_dns<R>(self, resolver: R) -> Socks5Upstream<C, L, R>
    where
        R: crate::connector::resolve::Resolve,
    {
        Socks5Upstream {
            proxy: self.proxy,
            way: self.way,
            client: self.client,
            naming: resolver,
        }
    }

    /// BIND by the same proxy: a service for [`Connector::with_bind`](crate::Connector::with_bind).
    #[must_use]
    pub const fn into_bind(self) -> UpstreamBind<C, L, N> {
        UpstreamBind::new(self)
    }

    /// Datagrams by the same proxy: a service for
    /// [`Associate::with_paths`](crate::Associate::with_paths).
    #[must_use]
    pub const fn into_paths(self) -> MakeUpstream<C, L, N> {
        MakeUpstream::new(self)
    }
}

impl<C: Transport, L, N> Socks5Upstream<C, L, N> {
    /// A fresh stream to the proxy.
    pub(super) async fn stream(&self) -> Result<Connected<C::Io>, ClientError> {
        let way = self.way.clone();
        way.reach(self.proxy.clone(), self.client.limit()).await
    }

    /// Notes in the log what the proxy made of it.
    pub(super) fn noted<T>(
        &self,
        command: Command,
        target: &Address,
        outcome: Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        match &outcome {
            Ok(_) => tracing::debug!(proxy = %self.proxy, %command, %target, "through proxy"),
            Err(error) => {
                let error = Chain(error);
                tracing::debug!(proxy = %self.proxy, %command, %target, %error, "proxy did not help");
            }
        }
        outcome
    }
}

impl<C, L, N> Socks5Upstream<C, L, N>
where
    C: Transport,
    L: ClientAuth<C::Io>,
    N: DnsMode,
{
    async fn connect<T: Target>(self, target: T) -> Result<Connected<L::Stream>, BoxError> {
        let limit = self.client.limit();
        let candidates = judged(&target, self.naming.clone(), limit).await?;
        let started = Instant::now();
        let mut last = None;
        for candidate in candidates {
            let asked = self.ask(&candidate).await;
            match self.noted(Command::CONNECT, &candidate, asked) {
                Ok(stream) => {
                    if let Address::Ip(address) = candidate {
                        target.reached(address);
                    }
                    return Ok(stream);
                }
                Err(error) => {
                    let elsewhere = matches!(error.fault(), ClientFault::Target(_));
                    last = Some(error.into());
                    if !elsewhere || started.elapsed() >= limit {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| "there is no address to go to".into()))
    }

    async fn ask(&self, target: &Address) -> Result<Connected<L::Stream>, ClientError> {
        let way = self.stream().await?;
        let relay = way.relay();
        let stream = self.client.connect(way.into_inner(), target.clone());
        Ok(stream.await?.with_relay(relay))
    }
}

impl<C, L, N, T> Service<T> for Socks5Upstream<C, L, N>
where
    C: Transport + Sync,
    L: ClientAuth<C::Io> + Clone + 'static,
    N: DnsMode + Sync,
    T: Target + Sync,
{
    type Response = Connected<L::Stream>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // The way to the proxy is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        ResponseFuture::new(self.clone().connect(target))
    }
}

impl<C, L, N> fmt::Debug for Socks5Upstream<C, L, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5Upstream")
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
