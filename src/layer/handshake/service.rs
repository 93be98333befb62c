use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::{ResponseFuture, connection, layer::Config};
use crate::{
    error::BoxError,
    io::PrefixedStream,
    relay::Traffic,
    session::{Accepted, Dial, Negotiate},
};

/// Speaks RFC 1928 with clients. See the [module](super).
#[derive(Clone, Debug)]
pub struct Handshake<M> {
    inner: M,
    config: Config,
}

impl<M> Handshake<M> {
    pub(super) const fn new(inner: M, config: Config) -> Self {
        Self { inner, config }
    }
}

impl<M, Io> Service<Accepted<Io>> for Handshake<M>
where
    M: Negotiate<PrefixedStream<Io>, Service: Dial>,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = Traffic;
    type Error = BoxError;
    type Future = ResponseFuture;

    // The inner services are asked once the client has spoken, on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accepted: Accepted<Io>) -> ResponseFuture {
        ResponseFuture::new(connection::hold(
            self.config.clone(),
            self.inner.clone(),
            accepted,
        ))
    }
}
