use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::net::TcpStream;

use crate::{
    connector::{direct, upstream},
    error::BoxError,
    session::Connected,
};

/// A request on its way, through a proxy or without: the future of the connectors in
/// [this module](super).
///
/// Dropping it closes what it has opened.
#[derive(Debug)]
pub struct ResponseFuture<R>(Way<R>);

#[derive(Debug)]
enum Way<R> {
    Upstream(upstream::ResponseFuture<R>),
    Direct(direct::ResponseFuture, fn(Connected<TcpStream>) -> R),
}

impl<R> ResponseFuture<R> {
    pub(super) const fn upstream(asking: upstream::ResponseFuture<R>) -> Self {
        Self(Way::Upstream(asking))
    }
}

impl ResponseFuture<Connected<TcpStream>> {
    pub(super) fn direct(dial: direct::ResponseFuture) -> Self {
        Self(Way::Direct(dial, std::convert::identity))
    }
}

impl<R> Future for ResponseFuture<R> {
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Way::Upstream(asking) => Pin::new(asking).poll(cx),
            Way::Direct(dial, whole) => Pin::new(dial).poll(cx).map_ok(*whole),
        }
    }
}
