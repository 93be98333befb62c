//! Names that are not for name servers.

use crate::{
    error::Refusal,
    proto::{DomainName, ReplyCode},
};

/// Refuses a name that must not be looked up: below `onion` (RFC 7686 section 2), since the lookup tells name
/// servers where the client wants to go, and its answer would be an impostor's.
///
/// # Errors
///
/// The refusal, with 04.
pub(super) fn refuse(name: &DomainName) -> Result<(), Refusal> {
    if name.rsplit('.').next() == Some("onion") {
        return Err(Refusal::new(
            ReplyCode::HOST_UNREACHABLE,
            format!("{name} is not looked up: no name server knows an onion service"),
        ));
    }
    Ok(())
}
