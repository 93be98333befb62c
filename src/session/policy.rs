use std::net::SocketAddr;

use super::Request;
use crate::error::Refusal;

/// Decides who may do what. It is asked twice.
///
/// Once about the request as the client stated it, where a name is still a name; and once about
/// each address that is about to be used, by the connector that holds it. The address that was
/// checked is the address that is dialled, so a name that changes its mind in between wins nothing.
///
/// A name comes as the client wrote it. Compare it without regard to case and without the dot that
/// may stand at its end.
///
/// The answers are wanted at once and often: a policy that has to wait for somebody keeps a
/// snapshot instead.
///
/// A closure with two parameters is a policy. The second one is `None` when the request is asked
/// about as stated:
///
/// ```
/// use std::net::SocketAddr;
/// use tower_socks::{Refusal, Request, session::Policy};
///
/// fn takes_a_policy(_: impl Policy) {}
///
/// takes_a_policy(|request: &Request, address: Option<SocketAddr>| match address {
///     None if request.target.port() == 25 => Err(Refusal::not_allowed("no mail")),
///     Some(address) if address.ip().is_loopback() => Err(Refusal::not_allowed("not in here")),
///     _ => Ok(()),
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a policy",
    note = "a policy is a type that implements `Policy`, or a closure \
            `|request: &Request, address: Option<SocketAddr>| -> Result<(), Refusal>`"
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
    /// judged. It may pass, by default.
    ///
    /// # Errors
    ///
    /// The refusal that the client gets.
    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        let _ = request;
        Ok(())
    }

    /// Returns a number that changes once earlier answers may no longer hold: because the policy
    /// was swapped, or because of the time. An association remembers the answers about its
    /// datagrams until then. A policy that does not change has the same number for ever.
    fn version(&self) -> u64 {
        0
    }
}

impl<F> Policy for F
where
    F: Fn(&Request, Option<SocketAddr>) -> Result<(), Refusal> + Send + Sync + 'static,
{
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self(request, None)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self(request, Some(address))
    }
}
