//! Who the client is, from one request to the next.

use std::{net::SocketAddr, time::Duration};

use tokio::time::Instant;

use super::authorization::Authorization;
use crate::{
    error::{BoxError, Refusal, ReplyCodes},
    layer::connection::Party,
    proto::{Address, Command, MethodSet},
    session::{
        CloneService, Extensions, Identify, Identity, Negotiation, Protocol, Request,
        count_for_user, leave_handshake, record::Recording,
    },
};

/// For how long nobody is asked again about the same name and password on the same connection.
const FRESH: Duration = Duration::from_secs(60);

/// The client of a connection.
pub(super) struct Client<M: Identify> {
    negotiator: M,
    peer: SocketAddr,
    local: SocketAddr,
    extensions: Extensions,
    known: Option<Known<M::Service>>,
    party: Party,
}

/// A client that has authenticated.
struct Known<S> {
    by: Authorization,
    since: Instant,
    identity: Identity,
    service: S,
}

impl<M> Client<M>
where
    M: Identify<Service: CloneService> + CloneService,
{
    pub(super) fn new(
        negotiator: M,
        peer: SocketAddr,
        local: SocketAddr,
        extensions: Extensions,
    ) -> Self {
        Self {
            negotiator,
            peer,
            local,
            extensions,
            known: None,
            party: Party::stranger(peer),
        }
    }

    /// Whether the client has authenticated with the same before, and not long ago: a hash for each request would
    /// be a load.
    pub(super) fn is_known_by(&self, authorization: &Authorization) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|known| known.since.elapsed() < FRESH && known.by.is(authorization))
    }

    /// Returns the question who the client is. Until it is answered the client is nobody.
    pub(super) fn ask(&mut self, authorization: &Authorization) -> M::Future {
        self.known = None;
        self.party = Party::stranger(self.peer);
        let stated = authorization.stated();
        let mut negotiation = Negotiation::new(stated, MethodSet::default(), self.peer, self.local);
        negotiation.extensions = self.extensions.clone();
        self.negotiator.clone().identify(negotiation)
    }

    /// Takes the answer.
    pub(super) fn is(&mut self, by: Authorization, identity: Identity, service: M::Service) {
        self.party = Party::stranger(self.peer).identified(&identity);
        self.known = Some(Known {
            by,
            since: Instant::now(),
            identity,
            service,
        });
    }

    /// Counts the connection as one of this client, and no longer as one in the handshake.
    ///
    /// # Errors
    ///
    /// If its user has too many.
    pub(super) fn admit(&mut self) -> Result<(), Refusal> {
        leave_handshake(&mut self.extensions);
        match &self.known {
            Some(known) => count_for_user(&self.extensions, &known.identity),
            None => Ok(()),
        }
    }

    /// Returns a request of this client, and the service that executes it.
    ///
    /// # Errors
    ///
    /// If nobody knows who the client is.
    pub(super) fn request(
        &self,
        target: Address,
        reply_codes: &ReplyCodes,
    ) -> Result<(Request, M::Service), BoxError> {
        let known = self
            .known
            .as_ref()
            .ok_or("the client has not authenticated")?;
        let mut request = Request::new(Command::CONNECT, target);
        request.peer = self.peer;
        request.local = self.local;
        request.protocol = Protocol::Http;
        request.identity = known.identity.clone();
        request.extensions = self.extensions.clone();
        request.reply_codes = reply_codes.clone();
        Ok((request, known.service.clone()))
    }

    /// Returns the record of the connection, if it has one.
    pub(super) fn recording(&self) -> Option<Recording> {
        Recording::of(&self.extensions).cloned()
    }

    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) const fn party(&self) -> Party {
        self.party
    }
}
