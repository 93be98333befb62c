use std::future::Future;

use crate::{
    error::BoxError,
    session::{Identity, Negotiation, Stated},
};

/// Finds out who a client is that states it with its request: in HTTP and SOCKS4, which have no sub-negotiation.
///
/// It is what an [`Authenticate`](super::Authenticate) method needs in addition to serve these protocols too, so
/// that one layer, one verifier and one limit on failed logins judge all of them. The methods of this crate and
/// their tuples have it. A method of yours that has no use for what is stated refuses it:
///
/// ```
/// use tower_socks::{
///     BoxError, Identity,
///     error::AuthError,
///     layer::auth::AuthenticateStated,
///     session::{Negotiation, Stated},
/// };
///
/// struct Tickets;
///
/// impl AuthenticateStated for Tickets {
///     async fn authenticate_stated(&self, _: &Negotiation<Stated>) -> Result<Identity, BoxError> {
///         Err(AuthError::NoAcceptableMethod.into())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authenticate clients of HTTP and SOCKS4",
    note = "these state who they are with their request: implement `AuthenticateStated` for it as well, \
            which may refuse them with `AuthError::NoAcceptableMethod`",
    note = "or serve SOCKS5 alone, with `HandshakeLayer`"
)]
pub trait AuthenticateStated: Send + Sync {
    /// Authenticates the client by what it has stated. The protocol tells the client the outcome.
    ///
    /// # Errors
    ///
    /// [`AuthError::NoAcceptableMethod`](crate::error::AuthError::NoAcceptableMethod) where this method takes
    /// nothing of that kind: the next one of a tuple is asked. Otherwise as
    /// [`Authenticate::authenticate`](super::Authenticate::authenticate).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt.
    fn authenticate_stated(
        &self,
        negotiation: &Negotiation<Stated>,
    ) -> impl Future<Output = Result<Identity, BoxError>> + Send;
}
