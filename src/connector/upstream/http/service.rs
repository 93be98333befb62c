use std::{
    fmt::{self, Write},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout},
};
use tower_service::Service;

use super::{
    super::{DnsMode, RemoteDns, ResponseFuture, Transport},
    BasicAuth, HttpError, response,
};
use crate::connector::upstream::candidates::judged;
use crate::{
    client::ClientFault,
    connector::direct::Direct,
    error::{BoxError, Chain},
    proto::Address,
    session::{Connected, Target},
};

/// Connects through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6). See the
/// [module](crate::connector::upstream).
///
/// `C` is the way to the proxy, and `N` who resolves the names of targets. Clones share the
/// credentials.
#[derive(Clone)]
pub struct HttpUpstream<C = Direct, N = RemoteDns> {
    proxy: Address,
    way: C,
    naming: N,
    credentials: Option<BasicAuth>,
    limit: Duration,
}

impl HttpUpstream {
    /// Through this proxy, dialled from this machine, without authentication, within 30 s. Names go
    /// to the proxy as names.
    #[must_use]
    pub fn new(proxy: impl Into<Address>) -> Self {
        Self {
            proxy: proxy.into(),
            way: Direct::new(),
            naming: RemoteDns,
            credentials: None,
            limit: Duration::from_secs(30),
        }
    }
}

impl<C, N> HttpUpstream<C, N> {
    /// Reaches the proxy by another connector: one that puts TLS on top, or another upstream.
    #[must_use]
    pub fn via<T: Transport>(self, way: T) -> HttpUpstream<T, N> {
        HttpUpstream {
            proxy: self.proxy,
            way,
            naming: self.naming,
            credentials: self.credentials,
            limit: self.limit,
        }
    }

    /// Says who we are (`Proxy-Authorization`, RFC 9110 section 11.7.2), without being asked.
    #[must_use]
    pub fn credentials(mut self, credentials: BasicAuth) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The time to reach the proxy, and then again for its answer: 30 s each by default. The proxy's
    /// own dial is in there. A lookup on this machine has as much.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Resolves the names of targets here, by this resolver, and sends addresses to the proxy:
    /// policies are then asked about each of them. Of a name with several addresses the next one is
    /// tried where the proxy could not reach the one before.
    #[must_use]
    pub fn local_dns<R>(self, resolver: R) -> HttpUpstream<C, R>
    where
        R: crate::connector::resolve::Resolve,
    {
        HttpUpstream {
            proxy: self.proxy,
            way: self.way,
            naming: resolver,
            credentials: self.credentials,
            limit: self.limit,
        }
    }
}

impl<C: Transport, N: DnsMode> HttpUpstream<C, N> {
    async fn connect<T: Target>(self, target: T) -> Result<Connected<C::Io>, BoxError> {
        let candidates = judged(&target, self.naming.clone(), self.limit).await?;
        let started = Instant::now();
        let mut last = None;
        for candidate in candidates {
            let error = match self.ask(&candidate).await {
                Ok(stream) => {
                    tracing::debug!(proxy = %self.proxy, target = %candidate, "through proxy");
                    if let Address::Ip(address) = candidate {
                        target.reached(address);
                    }
                    return Ok(stream);
                }
                Err(error) => error,
            };
            let causes = Chain(&error);
            tracing::debug!(proxy = %self.proxy, target = %candidate, error = %causes, "proxy did not help");
            let elsewhere = matches!(error.fault(), ClientFault::Target(_));
            last = Some(error.into());
            if !elsewhere || started.elapsed() >= self.limit {
                break;
            }
        }
        Err(last.unwrap_or_else(|| "there is no address to go to".into()))
    }

    async fn ask(&self, target: &Address) -> Result<Connected<C::Io>, HttpError> {
        let request = self.request(target)?;
        let way = self.way.clone().reach(self.proxy.clone(), self.limit);
        let way = way.await.map_err(HttpError::Unreachable)?;
        let relay = way.relay();
        let mut io = way.into_inner();
        let dialogue = async {
            io.write_all(request.as_bytes())
                .await
                .map_err(HttpError::Io)?;
            io.flush().await.map_err(HttpError::Io)?;
            match response::status(&mut io).await? {
                200..=299 => Ok(()),
                status => Err(HttpError::Status { status }),
            }
        };
        match timeout(self.limit, dialogue).await {
            Ok(outcome) => outcome?,
            Err(source) => {
                return Err(HttpError::TimedOut {
                    limit: self.limit,
                    source,
                });
            }
        }
        // HTTP does not say from where the proxy went on.
        let stream = Connected::new(io, Address::UNSPECIFIED).through_proxy();
        Ok(stream.with_relay(relay))
    }

    /// The request, in the authority form of RFC 9112 section 3.2.3.
    fn request(&self, target: &Address) -> Result<String, HttpError> {
        let authority = target.to_string();
        // What a name may be made of elsewhere must not end the line here.
        let plain = |octet: u8| octet.is_ascii_graphic() && !b"/\\?#@\"<>".contains(&octet);
        if !authority.bytes().all(plain) {
            return Err(HttpError::Name);
        }
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(credentials) = &self.credentials {
            // Writing into a string does not fail.
            let _ = write!(
                request,
                "Proxy-Authorization: Basic {}\r\n",
                credentials.as_str()
            );
        }
        request.push_str("\r\n");
        Ok(request)
    }
}

impl<C, N, T> Service<T> for HttpUpstream<C, N>
where
    C: Transport + Sync,
    N: DnsMode + Sync,
    T: Target + Sync,
{
    type Response = Connected<C::Io>;
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

impl<C, N> fmt::Debug for HttpUpstream<C, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream")
            .field("proxy", &self.proxy)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
