use std::task::{Context, Poll};

use tower_service::Service;

use super::ResponseFuture;
use crate::{
    client::DefaultAuth,
    connector::{
        direct::Direct,
        resolve::SystemResolver,
        upstream::{HttpUpstream, RemoteDns, Socks5Upstream, Transport},
    },
    error::BoxError,
    session::{Connected, Target},
};

/// A connector of the kind that a [`ProxyUrl`](super::ProxyUrl) asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProxyConnector<C = Direct> {
    /// `socks5h`: the proxy resolves names.
    Socks5h(Socks5Upstream<C, DefaultAuth, RemoteDns>),
    /// `socks5`: names are resolved here.
    Socks5(Socks5Upstream<C, DefaultAuth, SystemResolver>),
    /// `http`: CONNECT, and the proxy resolves names.
    Http(HttpUpstream<C>),
}

impl<C, T> Service<T> for ProxyConnector<C>
where
    C: Transport + Sync,
    T: Target + Sync,
{
    type Response = Connected<C::Io>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // All of them are ready at all times.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        match self {
            Self::Socks5h(upstream) => ResponseFuture::upstream(upstream.call(target)),
            Self::Socks5(upstream) => ResponseFuture::upstream(upstream.call(target)),
            Self::Http(upstream) => ResponseFuture::upstream(upstream.call(target)),
        }
    }
}
