//! Keeps what was routed before its destination was known to the route that it has.

use std::net::SocketAddr;

use crate::{
    error::Refusal,
    proto::Address,
    rules::Rules,
    session::{Check, Policy, Request},
};

/// Refuses destinations whose route is another one than the request's.
///
/// It rides in the guard of a request without a destination, and is asked about each that turns up: of
/// a datagram, or of the peer of BIND. And in that of a request with a name, if its addresses are to be judged.
pub(super) struct SameRoute {
    pub(super) rules: Rules,
    /// The rule that chose the route, from 0; `None` for the rest.
    pub(super) chosen: Option<usize>,
    /// Whether the addresses of names have to have the route of the name.
    pub(super) judges_addresses: bool,
}

impl SameRoute {
    fn judge(&self, request: &Request, check: Check) -> Result<(), Refusal> {
        if self.rules.choose(request, check).index == self.chosen {
            return Ok(());
        }
        Err(Refusal::not_allowed(match request.destination() {
            Some(Address::Name(..)) => "the address of the name has another route than the name",
            _ => "the destination has another route than the request, which did not state it",
        }))
    }
}

impl Policy for SameRoute {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        match request.destination() {
            Some(_) => self.judge(request, Check::Stated),
            None => Ok(()),
        }
    }

    /// Routes are chosen by what was stated: where that is a name, its addresses are of no account, unless somebody has
    /// said that they are.
    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        match request.destination() {
            Some(_) if !self.judges_addresses => self.judge(request, Check::Stated),
            Some(_) | None => self.judge(request, Check::Address(address)),
        }
    }

    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self.judge(request, Check::Stated)
    }

    fn version(&self) -> u64 {
        self.rules.version()
    }
}
