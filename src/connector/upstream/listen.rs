use std::{fmt, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use super::DnsMode;
use crate::{
    client::{ClientError, ProxyListener},
    proto::Address,
    relay::Relay,
    session::Request,
};

/// Has another proxy listen for a peer: what BIND through it needs of an upstream.
pub trait Listen: Clone + fmt::Debug + Send + Sync + 'static {
    /// The stream to the proxy, and later to the peer.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Where the name of a peer is resolved.
    type Dns: DnsMode + Sync;

    /// Returns where the name of a peer is resolved.
    fn dns(&self) -> Self::Dns;

    /// Returns the limit of a lookup.
    fn limit(&self) -> Duration;

    /// Requests a listener for a client's request, and logs what became of the request.
    fn listen(
        &self,
        request: &Request,
        peer: &Address,
    ) -> impl Future<Output = Result<(ProxyListener<Self::Io>, Relay), ClientError>> + Send;
}
