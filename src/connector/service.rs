use std::task::{Context, Poll};

use tower::ServiceExt;
use tower_service::Service;

use super::{
    associate::Associate,
    bind::Bind,
    direct::Direct,
    future::ResponseFuture,
    tunnel::ConnectorTunnel,
    upstream::{MakeUpstream, Socks5Upstream, UpstreamBind},
};
use crate::{error::BoxError, proto::Command, session::Request};

/// Dispatches requests by command, each to a service of its own. See the [module](super).
///
/// `C`, `B` and `A` execute CONNECT, BIND and UDP ASSOCIATE.
#[derive(Clone, Copy, Debug)]
pub struct Connector<C = Direct, B = Bind, A = Associate> {
    connect: C,
    bind: B,
    associate: A,
}

impl Connector {
    /// Executes all three from this machine, straight to the target.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            connect: Direct::new(),
            bind: Bind::new(),
            associate: Associate::new(),
        }
    }
}

impl<C, L, N>
    Connector<Socks5Upstream<C, L, N>, UpstreamBind<C, L, N>, Associate<MakeUpstream<C, L, N>>>
where
    Socks5Upstream<C, L, N>: Clone,
{
    /// Sends CONNECT, BIND and UDP ASSOCIATE through another SOCKS5 proxy. Datagrams go straight to its
    /// relay, whatever transport leads to the proxy: see [`upstream`](super::upstream).
    #[must_use]
    pub fn upstream(upstream: Socks5Upstream<C, L, N>) -> Self {
        Self {
            bind: upstream.clone().into_bind(),
            associate: Associate::with_transports(upstream.clone().into_transports()),
            connect: upstream,
        }
    }
}

impl<C, B, A> Connector<C, B, A> {
    /// Replaces the service for CONNECT.
    #[must_use]
    pub fn with_connect<T>(self, connect: T) -> Connector<T, B, A> {
        Connector {
            connect,
            bind: self.bind,
            associate: self.associate,
        }
    }

    /// Replaces the service for BIND.
    #[must_use]
    pub fn with_bind<T>(self, bind: T) -> Connector<C, T, A> {
        Connector {
            connect: self.connect,
            bind,
            associate: self.associate,
        }
    }

    /// Replaces the service for UDP ASSOCIATE.
    #[must_use]
    pub fn with_associate<T>(self, associate: T) -> Connector<C, B, T> {
        Connector {
            connect: self.connect,
            bind: self.bind,
            associate,
        }
    }
}

impl<C, B, A> Service<Request> for Connector<C, B, A>
where
    C: Service<Request> + Clone,
    C::Error: Into<BoxError>,
    B: Service<Request> + Clone,
    B::Error: Into<BoxError>,
    A: Service<Request> + Clone,
    A::Error: Into<BoxError>,
{
    type Response = ConnectorTunnel<C::Response, B::Response, A::Response>;
    type Error = BoxError;
    type Future = ResponseFuture<C, B, A>;

    // Which of the three to ask is known with the request, and asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match request.command {
            Command::CONNECT => ResponseFuture::connect(self.connect.clone().oneshot(request)),
            Command::BIND => ResponseFuture::bind(self.bind.clone().oneshot(request)),
            Command::UDP_ASSOCIATE => {
                ResponseFuture::associate(self.associate.clone().oneshot(request))
            }
            unknown => ResponseFuture::unknown(unknown),
        }
    }
}
