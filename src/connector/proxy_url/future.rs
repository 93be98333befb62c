use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::net::TcpStream;

use crate::{
    connector::{direct, upstream},
    error::BoxError,
    io::BoxStream,
    session::Connected,
};

/// The future of the connectors in [this module](super). Dropping it closes the connection that it
/// has opened.
#[derive(Debug)]
pub struct ResponseFuture<R>(Route<R>);

#[derive(Debug)]
enum Route<R> {
    Upstream(upstream::ResponseFuture<R>),
    Direct(direct::ResponseFuture, fn(Connected<TcpStream>) -> R),
}

impl<R> ResponseFuture<R> {
    pub(super) const fn upstream(connecting: upstream::ResponseFuture<R>) -> Self {
        Self(Route::Upstream(connecting))
    }
}

impl ResponseFuture<Connected<BoxStream>> {
    pub(super) fn direct(connecting: direct::ResponseFuture) -> Self {
        Self(Route::Direct(connecting, |stream| {
            stream.map_io(BoxStream::new)
        }))
    }
}

impl<R> Future for ResponseFuture<R> {
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Route::Upstream(connecting) => Pin::new(connecting).poll(cx),
            Route::Direct(connecting, whole) => Pin::new(connecting).poll(cx).map_ok(*whole),
        }
    }
}
