//! What the server counts a connection for, as far as its protocol tells.

use crate::{
    admission::InHandshake,
    error::Refusal,
    session::{Extensions, Identity, SessionHolder},
};

/// Counts the session for its user from here on.
///
/// # Errors
///
/// If the user has as many sessions as a user may have. The client is to be told so once it has asked.
pub(crate) fn count_for_user(extensions: &Extensions, identity: &Identity) -> Result<(), Refusal> {
    match extensions.get::<SessionHolder>() {
        Some(holder) => holder.authenticated(identity),
        None => Ok(()),
    }
}

/// Counts the connection no longer as one in the handshake: its request is read, and its client authenticated.
pub(crate) fn leave_handshake(extensions: &Extensions) {
    if let Some(connection) = extensions.get::<InHandshake>() {
        connection.request_read();
    }
}
