use std::{
    collections::HashMap,
    fmt, io,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::{ResponseFuture, open_socket::OpenSocket};
use crate::{
    client::ProxySocket,
    datagram::{DatagramTransport, Datagrams, is_own_relay, is_unicast},
    error::{BoxError, Refusal},
    io::DropReason,
    proto::Address,
    session::Request,
};

/// Destinations of an association about which the policies' decisions are remembered.
const KNOWN: usize = 256;

/// Opens a socket at another proxy for each association of ours. See the [module](super).
#[derive(Clone, Debug)]
pub struct MakeUpstream<U> {
    upstream: U,
}

impl<U> MakeUpstream<U> {
    pub(in crate::connector) const fn new(upstream: U) -> Self {
        Self { upstream }
    }
}

impl<U: OpenSocket> Service<Request> for MakeUpstream<U> {
    type Response = UpstreamTransport<U::Io>;
    type Error = BoxError;
    type Future = ResponseFuture<Self::Response>;

    // The transport is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { upstream } = self.clone();
        ResponseFuture::new(async move {
            Ok(UpstreamTransport {
                socket: upstream.open_socket(&request).await?,
                version: request.guard.version(),
                request,
                remote_dns: upstream.resolves_names(),
                known: HashMap::new(),
            })
        })
    }
}

/// Sends and receives datagrams by a socket at another proxy, be it an association there or UDP over TCP: the
/// transport of [`MakeUpstream`].
///
/// The policies are asked about each destination. The filtering is that proxy's.
pub struct UpstreamTransport<Io> {
    socket: ProxySocket<Io>,
    request: Request,
    /// Of the policies, when they were asked.
    version: u64,
    /// Whether the proxy resolves names.
    remote_dns: bool,
    known: HashMap<Address, bool>,
}

impl<Io> UpstreamTransport<Io> {
    /// Whether a datagram may go to a target in canonical form.
    fn allows(&mut self, target: &Address) -> bool {
        if let Some(known) = self.known.get(target) {
            return *known;
        }
        let allowed = match self.approve(target) {
            Ok(()) => true,
            Err(refusal) => {
                tracing::debug!(%target, %refusal, "datagram refused");
                false
            }
        };
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(target.clone(), allowed);
        allowed
    }

    fn approve(&self, target: &Address) -> Result<(), Refusal> {
        match target {
            Address::Ip(address) if is_unicast(*address) => {
                self.request.for_datagram(target.clone())?.approve(*address)
            }
            Address::Ip(_) | Address::Name(_, 0) => {
                Err(Refusal::not_allowed("no single host's address"))
            }
            Address::Name(..) if self.remote_dns => {
                self.request.for_datagram(target.clone())?.approve_name()
            }
            Address::Name(..) => Err(Refusal::not_allowed(
                "names are not for the proxy to resolve",
            )),
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> DatagramTransport
    for UpstreamTransport<Io>
{
    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        let version = self.request.guard.version();
        if self.version != version {
            self.version = version;
            self.known.clear();
        }
        batch.retain_mut(|target, _| {
            // What is sent is what the policies are asked about.
            *target = self.request.complete(target.clone());
            match target {
                Address::Ip(address) if is_own_relay(*address) => Err(DropReason::SelfConnection),
                _ if self.allows(target) => Ok(true),
                _ => Err(DropReason::Refused),
            }
        });
        DatagramTransport::poll_send(&mut self.socket, cx, batch)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        DatagramTransport::poll_recv(&mut self.socket, cx, batch)
    }
}

impl<Io> fmt::Debug for UpstreamTransport<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTransport").finish_non_exhaustive()
    }
}
