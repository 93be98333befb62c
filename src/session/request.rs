use std::{error::Error, fmt, net::SocketAddr, sync::Arc};

use super::{
    Dialled, Extensions, Guard, Identity, Protocol, SearchDomain, record::Destinations,
    replies::Replies,
};
use crate::{
    error::{Refusal, ReplyCodes},
    proto::{Address, Command, ReplyCode, UdpOverTcp, canonical},
};

/// A client's request, with all that is known about the client (RFC 1928 section 4).
///
/// It is what every service below [`AuthLayer`](crate::AuthLayer) takes. It is `Clone`, so tower's
/// retry, buffer, balance and steer work on it.
///
/// ```
/// use tower_socks::{Request, proto::{Address, Command}};
///
/// let request = Request::new(Command::CONNECT, Address::new("example.com", 80)?);
/// assert_eq!(request.target.to_string(), "example.com:80");
/// assert!(request.identity.name().is_none());
/// # Ok::<(), tower_socks::proto::InvalidName>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// CMD.
    pub command: Command,
    /// DST.ADDR and DST.PORT. A name is in [normal form](crate::proto::DomainName): one host has one name.
    pub target: Address,
    /// The client's address.
    pub peer: SocketAddr,
    /// The address on which the client reached us.
    pub local: SocketAddr,
    /// The protocol in which the client asks, and in which it hears every reply.
    pub protocol: Protocol,
    /// Who the client is.
    pub identity: Identity,
    /// The policies to ask about each address.
    pub guard: Guard,
    /// What layers learned about the connection.
    pub extensions: Extensions,
    /// What the replies to it are made by.
    pub(crate) reply_codes: ReplyCodes,
    /// The target is where a datagram goes.
    datagram: bool,
    /// What layers hold of it.
    pub(super) kept: Kept,
}

/// A copy of the request that it is in.
#[derive(Clone)]
pub(super) struct Kept(pub(super) Option<Arc<Request>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It says the same once more.
        f.debug_tuple("Kept").finish_non_exhaustive()
    }
}

/// Where there is no address, or none is known.
pub(super) const UNKNOWN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl Request {
    /// Creates a SOCKS5 request of an anonymous client at an unknown address, under no policy.
    #[must_use]
    pub const fn new(command: Command, target: Address) -> Self {
        Self {
            command,
            target,
            peer: UNKNOWN,
            local: UNKNOWN,
            protocol: Protocol::Socks5,
            identity: Identity::anonymous(),
            guard: Guard::open(),
            extensions: Extensions::new(),
            reply_codes: ReplyCodes::built_in(),
            datagram: false,
            kept: Kept(None),
        }
    }

    /// Returns where the client wants to go, as far as the request says so.
    ///
    /// That is the target, but for two: UDP ASSOCIATE states where the client will send from
    /// (RFC 1928 section 4), so that only the request for a [datagram](Self::for_datagram) has a
    /// destination; and BIND may leave open who is expected, with an address of zeros.
    #[must_use]
    pub fn destination(&self) -> Option<&Address> {
        let states_none = match self.command {
            Command::UDP_ASSOCIATE => !self.datagram,
            Command::BIND => self.target.ip().is_some_and(|ip| ip.ip().is_unspecified()),
            _ => false,
        };
        (!states_none).then_some(&self.target)
    }

    /// Asks every policy that the request has passed about an address. A connector calls this for
    /// each address before it is used, and uses that very address.
    ///
    /// # Errors
    ///
    /// The refusal of the first policy that says no.
    pub fn approve(&self, address: SocketAddr) -> Result<(), Refusal> {
        self.guard.check_address(self, address)
    }

    /// Asks every policy that the request has passed about its name, which is about to be handed to
    /// somebody else to resolve: another proxy. Where the target is an address,
    /// [`approve`](Self::approve) is what to ask.
    ///
    /// # Errors
    ///
    /// The refusal of the first policy that says no, and one with 07 where the name asks for
    /// [UDP over TCP](crate::layer::udp_over_tcp): the other proxy would execute that, and no policy would be asked
    /// about the destinations of datagrams.
    pub fn approve_name(&self) -> Result<(), Refusal> {
        self.refuse_udp_over_tcp()?;
        self.guard.check_name(self)
    }

    /// Refuses what no layer has turned into an association.
    pub(crate) fn refuse_udp_over_tcp(&self) -> Result<(), Refusal> {
        match UdpOverTcp::of(self.command, &self.target) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(
                ReplyCode::COMMAND_NOT_SUPPORTED,
                "UDP over TCP is not supported",
            )),
        }
    }

    /// Returns the code of the failure reply that an error leads to: what
    /// [`HandshakeLayer::reply_code`](crate::HandshakeLayer::reply_code) makes of it, or the
    /// [table](crate::error) where there is no such mapping. It is never a success.
    ///
    /// A tunnel that writes a second reply of its own takes its code from here, and so does a layer
    /// that tells what was sent:
    ///
    /// ```
    /// use tower_socks::{Refusal, Request, proto::{Address, Command, ReplyCode}};
    ///
    /// let request = Request::new(Command::BIND, Address::UNSPECIFIED);
    /// let refusal = Refusal::not_allowed("not today");
    /// assert_eq!(request.reply_code(&refusal), ReplyCode::NOT_ALLOWED);
    /// ```
    #[must_use]
    pub fn reply_code(&self, error: &(dyn Error + 'static)) -> ReplyCode {
        self.reply_codes.of(error)
    }

    /// Returns how the client hears the second reply of a command that has two.
    pub(crate) fn replies(&self) -> Replies {
        Replies::new(self.protocol, self.reply_codes.clone())
    }

    /// Returns where the address will be that the request leads to. A layer calls this before it calls
    /// the service inside, and reads the address once the tunnel is there.
    pub fn dialled(&mut self) -> Dialled {
        match Dialled::of(&self.extensions) {
            Some(dialled) => dialled,
            None => Dialled::put(&mut self.extensions),
        }
    }

    /// Says which of the approved addresses is the one that is used. A connector calls this once
    /// it is connected, so that a policy that changes can be asked about it again.
    pub fn reached(&self, address: SocketAddr) {
        if let Some(reached) = Dialled::of(&self.extensions) {
            reached.set(address);
        }
    }

    /// Says that the approved name was handed to another proxy, which resolves it. A connector calls
    /// this once it is connected, so that a policy that changes can be asked about the name again.
    pub fn handed_on(&self) {
        if let Some(dialled) = Dialled::of(&self.extensions) {
            dialled.set_handed_on();
        }
    }

    /// Says through which upstream the request goes, by a name for logs: its address, or what a file calls it. What
    /// chooses between upstreams calls this, and of several alternatives the last that was tried is kept.
    pub fn routed(&self, upstream: impl Into<Arc<str>>) {
        if let Some(dialled) = Dialled::of(&self.extensions) {
            dialled.set_upstream(upstream.into());
        }
    }

    /// Returns where the destinations of an association will be listed. A layer calls this before it calls the
    /// service inside, and reads the list whenever it likes.
    pub fn destinations(&mut self) -> Destinations {
        if let Some(destinations) = self.extensions.get::<Destinations>() {
            return destinations.clone();
        }
        let destinations = Destinations::default();
        self.extensions.insert(destinations.clone());
        destinations
    }

    /// Returns another target of the same client in the form in which it is judged and used: canonical, and
    /// completed by the search domain, if the request has met a
    /// [`SearchDomainLayer`](crate::layer::search_domain::SearchDomainLayer). A transport for datagrams
    /// calls this with each destination, before it remembers anything about it.
    #[must_use]
    pub fn complete(&self, target: Address) -> Address {
        match target {
            Address::Ip(address) => Address::Ip(canonical(address)),
            target @ Address::Name(..) => match self.extensions.get::<SearchDomain>() {
                Some(domain) => domain.complete(target),
                None => target,
            },
        }
    }

    /// Completes the target by a search domain, and that of each datagram. The policies that have judged it
    /// before are asked again.
    pub(crate) fn in_domain(mut self, domain: SearchDomain) -> Result<Self, Refusal> {
        let completed = domain.complete(self.target.clone());
        self.extensions.insert(domain);
        if completed != self.target {
            tracing::debug!(stated = %self.target, %completed, "name completed");
            self.target = completed;
            self.guard.check(&self)?;
        }
        Ok(self)
    }

    /// Turns the request into that for an association whose datagrams travel in the client's stream. The policies
    /// that have judged it before are asked again.
    pub(crate) fn into_association(mut self, protocol: UdpOverTcp) -> Result<Self, Refusal> {
        self.command = Command::UDP_ASSOCIATE;
        self.target = Address::UNSPECIFIED;
        self.extensions.insert(protocol);
        self.guard.check(&self)?;
        Ok(self)
    }

    /// Asks every policy that the request has passed about another target of the same request, as it is: a name that
    /// a lookup has led to.
    pub(crate) fn about(&self, target: Address) -> Result<Self, Refusal> {
        let request = Self {
            target,
            ..self.clone()
        };
        self.guard.check(&request)?;
        Ok(request)
    }

    /// Asks every policy that the request has passed about another target of the same client,
    /// [completed](Self::complete): the destination of a datagram. Its addresses have to be approved as well, on the
    /// request that this returns.
    ///
    /// # Errors
    ///
    /// The refusal of the first policy that says no.
    pub fn for_datagram(&self, target: Address) -> Result<Self, Refusal> {
        let request = Self {
            target: self.complete(target),
            datagram: true,
            ..self.clone()
        };
        request.guard.check(&request)?;
        Ok(request)
    }
}

/// Compares what a client asks for and who it is, for tests: command, target, addresses, protocol, the name and the
/// groups of the identity, and whether it is the request for a datagram. Not the guard and not the
/// extensions, whose values cannot be compared.
impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        self.command == other.command
            && self.target == other.target
            && self.peer == other.peer
            && self.local == other.local
            && self.protocol == other.protocol
            && self.identity.name() == other.identity.name()
            && self.identity.groups() == other.identity.groups()
            && self.datagram == other.datagram
    }
}
