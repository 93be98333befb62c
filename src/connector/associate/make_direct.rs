use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Filtering, direct::DirectTransport, filtering::Destinations};
use crate::{
    connector::{
        Outgoing,
        outgoing::ChosenOutgoing,
        resolve::{Resolve, SystemResolver},
    },
    session::Request,
};

/// Makes transports that send from this machine: what [`Associate`](super::Associate) uses by default.
#[derive(Clone, Debug)]
pub struct MakeDirect<R = SystemResolver> {
    resolver: R,
    filtering: Filtering,
    destinations: usize,
    outgoing: ChosenOutgoing,
}

impl MakeDirect {
    /// Resolves by the system, with address-dependent filtering and 256 destinations for each
    /// association.
    #[must_use]
    pub fn new() -> Self {
        Self {
            resolver: SystemResolver::new(),
            filtering: Filtering::default(),
            destinations: 256,
            outgoing: ChosenOutgoing::new(),
        }
    }
}

impl Default for MakeDirect {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> MakeDirect<R> {
    /// Replaces the resolver.
    #[must_use]
    pub fn resolver<T: Resolve>(self, resolver: T) -> MakeDirect<T> {
        MakeDirect {
            resolver,
            filtering: self.filtering,
            destinations: self.destinations,
            outgoing: self.outgoing,
        }
    }

    /// Sets whose datagrams may come back to the client.
    #[must_use]
    pub const fn filtering(mut self, filtering: Filtering) -> Self {
        self.filtering = filtering;
        self
    }

    /// Limits the destinations that an association remembers. With one more, the one that was not sent
    /// to for the longest time is forgotten, and its datagrams are not let in any more.
    #[must_use]
    pub const fn destinations(mut self, limit: usize) -> Self {
        self.destinations = limit;
        self
    }

    /// Sets from where datagrams leave: addresses, an interface, families. Of a family that is not used they are
    /// dropped as [`DropReason::Unsendable`](crate::io::DropReason::Unsendable).
    ///
    /// A socket is for all destinations of its family, so an address of the loopback that a client
    /// [came to](Outgoing::as_reached) is not used.
    #[must_use]
    pub fn outgoing(mut self, outgoing: Outgoing) -> Self {
        self.outgoing = ChosenOutgoing::Same(outgoing);
        self
    }

    /// Asks this function for each association from where its datagrams leave. It always has the request, whose target
    /// is no destination: see [`Request::destination`].
    #[must_use]
    pub fn outgoing_by<F>(mut self, outgoing: F) -> Self
    where
        F: Fn(Option<&Request>) -> Outgoing + Send + Sync + 'static,
    {
        self.outgoing = ChosenOutgoing::by(outgoing);
        self
    }
}

impl<R: Resolve> Service<Request> for MakeDirect<R> {
    type Response = DirectTransport<R>;
    type Error = Infallible;
    type Future = Ready<Result<DirectTransport<R>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let outgoing = self.outgoing.of(Some(&request));
        let destinations = Destinations::new(request, self.filtering, self.destinations);
        ready(Ok(DirectTransport::new(
            destinations,
            self.resolver.clone(),
            outgoing,
        )))
    }
}
