use std::{net::SocketAddr, time::SystemTime};

use super::Request;
use crate::error::Refusal;

/// Decides who may do what. It is asked twice.
///
/// Once about the request as the client stated it, where a name is still a name; and once about
/// what is about to be used for it, by the connector that holds it: each address, or the name
/// itself where another proxy will resolve it. The address that was checked is the address that is
/// dialled, so a name that changes its mind in between wins nothing.
///
/// All three questions have to be answered: none has an answer by default, since that would be a
/// yes which nobody gave.
///
/// A client whose datagrams travel [in its stream](crate::layer::udp_over_tcp) asks for UDP ASSOCIATE, whatever its
/// request was, and each destination is asked about as that of any datagram.
///
/// A name comes in its [normal form](crate::proto::DomainName): one host has one name, in small letters
/// and without a dot at the end.
///
/// The answers are wanted at once and often: a policy that has to wait for somebody keeps a
/// snapshot instead.
///
/// A closure with two parameters is a policy. The second one says what is asked about:
///
/// ```
/// use tower_socks::{Refusal, Request, session::{Check, Policy}};
///
/// fn takes_a_policy(_: impl Policy) {}
///
/// takes_a_policy(|request: &Request, check: Check| match check {
///     Check::Stated if request.target.port() == 25 => Err(Refusal::not_allowed("no mail")),
///     Check::Stated => Ok(()),
///     Check::Address(address) if address.ip().is_loopback() => {
///         Err(Refusal::not_allowed("not in here"))
///     }
///     Check::Address(_) => Ok(()),
///     // Nobody here would see the address.
///     Check::Name => Err(Refusal::not_allowed("no names for other proxies to resolve")),
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a policy",
    note = "a policy is a type that implements `Policy`, or a closure \
            `|request: &Request, check: Check| -> Result<(), Refusal>`"
)]
pub trait Policy: Send + Sync + 'static {
    /// Judges the request as stated: command, name or address, identity, client.
    ///
    /// # Errors
    ///
    /// The refusal that the client gets.
    fn check(&self, request: &Request) -> Result<(), Refusal>;

    /// Judges an address that is about to be used for the request.
    ///
    /// # Errors
    ///
    /// The refusal that the client gets when no other address is left.
    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal>;

    /// Judges the name of the request, which is about to be handed to another proxy: that one
    /// resolves it, and nobody here is asked about the address. Asked after
    /// [`check`](Self::check), which let the name pass as one whose addresses were still to be
    /// judged. A policy that judges addresses has to refuse names that it cannot judge without
    /// them.
    ///
    /// # Errors
    ///
    /// The refusal that the client gets.
    fn check_name(&self, request: &Request) -> Result<(), Refusal>;

    /// Returns a number that changes once earlier answers may no longer hold: because the policy
    /// was swapped, or because of the time. An association remembers the answers about its
    /// datagrams until then. A policy that does not change has the same number for ever.
    fn version(&self) -> u64 {
        0
    }

    /// Returns when earlier answers may no longer hold because of the time alone: the end of the hours
    /// of a rule, say. A [`RecheckLayer`](crate::layer::acl::recheck::RecheckLayer) asks about open
    /// tunnels again then. `None`, by default, for a policy that does not look at the clock.
    fn next_change(&self) -> Option<SystemTime> {
        None
    }
}

/// What a [`Policy`] that is a closure is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// The request as the client stated it: see [`Policy::check`].
    Stated,
    /// An address that is about to be used for it: see [`Policy::check_address`].
    Address(SocketAddr),
    /// Its name, which is about to be handed to another proxy that resolves it: see
    /// [`Policy::check_name`].
    Name,
}

impl Check {
    /// Returns the address, where one is asked about.
    #[must_use]
    pub const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Stated | Self::Name => None,
        }
    }
}

impl<F> Policy for F
where
    F: Fn(&Request, Check) -> Result<(), Refusal> + Send + Sync + 'static,
{
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self(request, Check::Stated)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self(request, Check::Address(address))
    }

    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self(request, Check::Name)
    }
}
