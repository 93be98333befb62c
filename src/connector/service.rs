use std::task::{Context, Poll};

use tower::ServiceExt;
use tower_service::Service;

use super::{
    associate::Associate,
    bind::Bind,
    direct::Direct,
    future::ResponseFuture,
    tunnel::ConnectorTunnel,
    unsupported::Unsupported,
    upstream::{MakeUpstream, Socks5Upstream, UpstreamBind},
};
use crate::{error::BoxError, proto::Command, session::Request};

/// Dispatches requests by command, each to a service of its own. See the [module](super).
///
/// `C`, `B` and `A` execute CONNECT, BIND and UDP ASSOCIATE, and `R` RESOLVE and RESOLVE_PTR.
#[derive(Clone, Copy, Debug)]
pub struct Connector<C = Direct, B = Bind, A = Associate, R = Unsupported> {
    connect: C,
    bind: B,
    associate: A,
    resolve: R,
}

impl Connector {
    /// Executes CONNECT, BIND and UDP ASSOCIATE from this machine, straight to the target.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            connect: Direct::new(),
            bind: Bind::new(),
            associate: Associate::new(),
            resolve: Unsupported,
        }
    }
}

impl<C, L, N>
    Connector<
        Socks5Upstream<C, L, N>,
        UpstreamBind<Socks5Upstream<C, L, N>>,
        Associate<MakeUpstream<Socks5Upstream<C, L, N>>>,
    >
where
    Socks5Upstream<C, L, N>: Clone,
{
    /// Sends CONNECT, BIND and UDP ASSOCIATE through another SOCKS5 proxy. Datagrams go straight to its
    /// relay, whatever transport leads to the proxy, unless they go by
    /// [UDP over TCP](Socks5Upstream::udp_over_tcp): see [`upstream`](super::upstream).
    #[must_use]
    pub fn upstream(upstream: Socks5Upstream<C, L, N>) -> Self {
        Self {
            bind: upstream.clone().into_bind(),
            associate: Associate::with_transports(upstream.clone().into_transports()),
            connect: upstream,
            resolve: Unsupported,
        }
    }
}

impl<C, B, A, R> Connector<C, B, A, R> {
    /// Replaces the service for CONNECT.
    #[must_use]
    pub fn with_connect<T>(self, connect: T) -> Connector<T, B, A, R> {
        Connector {
            connect,
            bind: self.bind,
            associate: self.associate,
            resolve: self.resolve,
        }
    }

    /// Replaces the service for BIND.
    #[must_use]
    pub fn with_bind<T>(self, bind: T) -> Connector<C, T, A, R> {
        Connector {
            connect: self.connect,
            bind,
            associate: self.associate,
            resolve: self.resolve,
        }
    }

    /// Replaces the service for UDP ASSOCIATE.
    #[must_use]
    pub fn with_associate<T>(self, associate: T) -> Connector<C, B, T, R> {
        Connector {
            connect: self.connect,
            bind: self.bind,
            associate,
            resolve: self.resolve,
        }
    }

    /// Replaces the service for RESOLVE and RESOLVE_PTR: by a
    /// [`NameService`](super::name_service::NameService), or one of yours. Without it they are refused with 07.
    #[must_use]
    pub fn with_resolve<T>(self, resolve: T) -> Connector<C, B, A, T> {
        Connector {
            connect: self.connect,
            bind: self.bind,
            associate: self.associate,
            resolve,
        }
    }
}

impl<C, B, A, R> Service<Request> for Connector<C, B, A, R>
where
    C: Service<Request> + Clone,
    C::Error: Into<BoxError>,
    B: Service<Request> + Clone,
    B::Error: Into<BoxError>,
    A: Service<Request> + Clone,
    A::Error: Into<BoxError>,
    R: Service<Request> + Clone,
    R::Error: Into<BoxError>,
{
    type Response = ConnectorTunnel<C::Response, B::Response, A::Response, R::Response>;
    type Error = BoxError;
    type Future = ResponseFuture<C, B, A, R>;

    // Which of them to ask is known with the request, and asked on the clone that is called.
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
            Command::RESOLVE | Command::RESOLVE_PTR => {
                ResponseFuture::resolve(self.resolve.clone().oneshot(request))
            }
            unknown => ResponseFuture::unknown(unknown),
        }
    }
}
