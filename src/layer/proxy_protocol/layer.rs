use std::{
    future::ready,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ResponseFuture,
    connection::{comes, open},
    lines::Lines,
    settings::{Settings, Shared, Untrusted},
    waiting::Waiting,
};
use crate::{
    error::BoxError,
    io::PrefixedStream,
    proto::{Decode, Network, ProxyHeader},
    relay::Traffic,
    session::{Accepted, CloneService, Senders},
};

/// The longest line of version 1: less is not taken for a bound.
const SHORTEST: usize = 107;

/// Reads PROXY headers. See the [module](super).
#[derive(Clone, Debug)]
pub struct ProxyProtocolLayer {
    settings: Settings,
}

impl ProxyProtocolLayer {
    /// Requires a header from peers in these networks, which are those of the load balancers, and refuses others.
    ///
    /// Who is in them can be any client. Without a network nobody is trusted.
    #[must_use]
    pub fn trusting(networks: impl IntoIterator<Item = Network>) -> Self {
        Self {
            settings: Settings {
                senders: Senders::new(networks),
                untrusted: Untrusted::default(),
                deadline: Duration::from_secs(10),
                longest: 4096,
                destination_as_local: false,
                waiting: 1024,
            },
        }
    }

    /// Sets whether a header is required of peers without an address as well, which are those of a Unix socket; not by
    /// default. The permissions of the socket say who they are.
    #[must_use]
    pub fn trusting_unix_sockets(mut self, whether: bool) -> Self {
        self.settings.senders.unix = whether;
        self
    }

    /// Sets what becomes of everybody else: refused by default.
    #[must_use]
    pub const fn untrusted(mut self, untrusted: Untrusted) -> Self {
        self.settings.untrusted = untrusted;
        self
    }

    /// Sets the time for a header, from when the connection begins to be served: 10 s by default.
    #[must_use]
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.settings.deadline = limit;
        self
    }

    /// Sets how many octets a header of version 2 may have, 4,096 by default; from 107 to 65,551. One of version 1 has at
    /// most 107 in any case.
    #[must_use]
    pub fn longest(mut self, octets: usize) -> Self {
        self.settings.longest = octets.clamp(SHORTEST, ProxyHeader::MAX_LEN);
        self
    }

    /// Sets how many connections may wait for their header at once, 1,024 by default; one more is closed at once. Of
    /// several trusted networks each has at most three quarters. 0 is taken for 1.
    ///
    /// One that waits costs about 2 KiB and a descriptor.
    #[must_use]
    pub const fn waiting(mut self, most: usize) -> Self {
        self.settings.waiting = most;
        self
    }

    /// Takes the destination of the header for the address on which the client reached us: that of the load balancer. Not
    /// by default, since BIND and UDP ASSOCIATE listen there and tell clients to come there.
    #[must_use]
    pub const fn destination_as_local(mut self) -> Self {
        self.settings.destination_as_local = true;
        self
    }
}

impl<S> Layer<S> for ProxyProtocolLayer {
    type Service = ProxyProtocol<S>;

    fn layer(&self, inner: S) -> ProxyProtocol<S> {
        let settings = self.settings.clone();
        ProxyProtocol {
            inner,
            shared: Arc::new(Shared {
                waiting: Waiting::new(settings.waiting, settings.senders.len()),
                lines: Lines::new(&settings.senders),
                settings,
            }),
        }
    }
}

/// Reads PROXY headers: the service of [`ProxyProtocolLayer`].
///
/// Clones share the bounds on waiting connections and on lines of the log.
#[derive(Clone, Debug)]
pub struct ProxyProtocol<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> ProxyProtocol<S> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Io> Service<Accepted<Io>> for ProxyProtocol<S>
where
    S: Service<
            Accepted<PrefixedStream<Io>>,
            Response = Traffic,
            Error: Into<BoxError>,
            Future: Send,
        > + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = Traffic;
    type Error = BoxError;
    type Future = ResponseFuture;

    // The inner service is asked once the header is read, on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.shared.settings.senders.announce();
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, accepted: Accepted<Io>) -> ResponseFuture {
        let comes = match comes(&self.shared, &accepted) {
            Ok(comes) => comes,
            Err(error) => return ResponseFuture::new(ready(Err(error))),
        };
        let shared = Arc::clone(&self.shared);
        // In a box of its own, which is gone when the session runs.
        let opening = Box::pin(open(shared, self.inner.clone(), accepted, comes));
        ResponseFuture::new(async move {
            let opened = opening.await?;
            match opened {
                None => Ok(Traffic::default()),
                Some((session, place)) => {
                    let outcome = session.await.map_err(Into::into);
                    drop(place);
                    outcome
                }
            }
        })
    }
}
