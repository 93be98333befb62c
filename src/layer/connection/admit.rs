//! Which requests are executed at all.

use std::net::SocketAddr;

use crate::{
    error::Refusal,
    proto::{self, Address, Command, ReplyCode, UdpOverTcp},
};

/// Brings the target of a request into canonical form, in which rules and policies take it.
///
/// # Errors
///
/// For a target that nothing can be reached at.
pub(crate) fn admit(command: Command, target: Address) -> Result<Address, Refusal> {
    // A lookup leads to no port. What a client states in its place must not make a rule about ports match.
    let target = match (command, target) {
        (Command::RESOLVE | Command::RESOLVE_PTR, Address::Ip(address)) => {
            Address::Ip(SocketAddr::new(address.ip(), 0))
        }
        (Command::RESOLVE | Command::RESOLVE_PTR, Address::Name(name, _)) => Address::Name(name, 0),
        (_, target) => target,
    };
    let is_host = UdpOverTcp::of(command, &target).is_none();
    if command == Command::CONNECT && target.port() == 0 && is_host {
        return Err(Refusal::new(
            ReplyCode::GENERAL_FAILURE,
            "nothing can be reached at port 0",
        ));
    }
    target.canonical().map_err(|error| malformed(error.into()))
}

/// Refuses a request that cannot be read.
pub(crate) fn malformed(error: proto::Error) -> Refusal {
    let code = match error {
        proto::Error::AddressType(_) => ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED,
        proto::Error::Version { .. }
        | proto::Error::Name(_)
        | proto::Error::UserId
        | proto::Error::Reserved
        | proto::Error::HeaderLength { .. }
        | proto::Error::ProxyHeader(_)
        | proto::Error::MessageType(_) => ReplyCode::GENERAL_FAILURE,
    };
    Refusal::new(code, "malformed request").with_source(error)
}
