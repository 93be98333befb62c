//! What the server counts a connection for, as far as its protocol tells.

use super::{Extensions, Identity, Request, SessionHolder};
use crate::{admission::InHandshake, error::Refusal};

impl Request {
    /// Counts its connection as one of its user, and no longer as one in the handshake. A layer that reads requests of
    /// a protocol of its own calls this once, with the [identity](Self::identity) and the
    /// [extensions](super::Accepted::extensions) of the connection in their places; those of this crate do so themselves.
    ///
    /// It is what [`SessionLimit::per_user`](crate::server::SessionLimit::per_user) and
    /// [`Serve::handshakes`](crate::server::Serve::handshakes) count by. Where nothing is counted, it does nothing.
    ///
    /// ```
    /// use tokio::io::{AsyncRead, AsyncReadExt};
    /// use tower_socks::{BoxError, Identity, Request, proto::{Address, Command}, session::Accepted};
    ///
    /// /// Reads a request that is a user's name of four octets: all go to the same target.
    /// async fn read<Io: AsyncRead + Unpin>(
    ///     mut accepted: Accepted<Io>,
    ///     target: Address,
    /// ) -> Result<(Io, Request), BoxError> {
    ///     let mut name = [0; 4];
    ///     accepted.io.read_exact(&mut name).await?;
    ///     let mut request = Request::new(Command::CONNECT, target);
    ///     request.identity = Identity::named(name);
    ///     request.extensions = accepted.extensions;
    ///     request.count_connection()?;
    ///     Ok((accepted.io, request))
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let accepted = Accepted::new(&b"jane"[..], ([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
    /// # let (_, request) = read(accepted, Address::UNSPECIFIED).await.unwrap();
    /// # assert_eq!(request.identity.name(), Some(&b"jane"[..]));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// If the user has as many sessions as a user may have.
    pub fn count_connection(&self) -> Result<(), Refusal> {
        if let Some(connection) = self.extensions.get::<InHandshake>() {
            connection.request_read();
        }
        count_for_user(&self.extensions, &self.identity)
    }
}

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
pub(crate) fn leave_handshake(extensions: &mut Extensions) {
    if let Some(connection) = extensions.take::<InHandshake>() {
        connection.request_read();
    }
}
