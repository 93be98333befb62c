use std::fmt;

use super::{Authenticate, AuthenticateStated};
use crate::{
    error::{AuthError, BoxError, FailedAttempt},
    io::ClientStream,
    proto::Method,
    session::{Identity, LoginAttempts, Negotiation, Stated},
};

/// Accepts the USERID of SOCKS4 for an identity: a claim, which proves nothing.
///
/// Anybody can claim to be anybody. Use it where something else tells that the claim is true, such as the client's
/// network, or where the name is for accounting alone. The identity that it gives should have no more rights than its
/// claim is worth: groups of its own tell it apart from one that has authenticated.
///
/// It selects no method of SOCKS5, so that beside others it changes nothing for those clients:
///
/// ```
/// use tower_socks::{AuthLayer, Identity, UserPass, layer::auth::AcceptUserId};
/// # use tower_socks::{Credentials, error::AuthError};
/// # let users = tower::service_fn(async |_: Credentials| Err::<Identity, _>(AuthError::Denied));
///
/// let claimed = AcceptUserId::new(|claim: &[u8]| match claim {
///     b"printer" => Some(Identity::named("printer")),
///     _ => None,
/// });
/// let layer = AuthLayer::new((UserPass::new(users), claimed));
/// # _ = layer;
/// ```
///
/// A claim that is not accepted is a failed attempt to log in, and counts as one. An empty USERID, as most clients
/// send, claims nothing: where it is not accepted, it is as if no method had been offered.
#[derive(Clone)]
pub struct AcceptUserId<F> {
    accept: F,
}

impl<F> AcceptUserId<F>
where
    F: Fn(&[u8]) -> Option<Identity> + Send + Sync,
{
    /// Accepts the claims that `accept` has an identity for. It gets 0 to 255 octets, none of them NUL, and
    /// must not block.
    pub const fn new(accept: F) -> Self {
        Self { accept }
    }
}

impl<F> AuthenticateStated for AcceptUserId<F>
where
    F: Fn(&[u8]) -> Option<Identity> + Send + Sync,
{
    async fn authenticate_stated(
        &self,
        negotiation: &Negotiation<Stated>,
    ) -> Result<Identity, BoxError> {
        let Stated::UserId(claim) = &negotiation.io else {
            return Err(AuthError::NoAcceptableMethod.into());
        };
        if claim.is_empty() {
            let accepted = (self.accept)(claim);
            return accepted.ok_or_else(|| AuthError::NoAcceptableMethod.into());
        }
        // Names that somebody accepts can be guessed as passwords can.
        let attempt = match negotiation.extensions.get::<LoginAttempts>() {
            Some(attempts) => {
                let entered = attempts.enter(negotiation.peer, claim).await;
                Some(entered.map_err(|error| FailedAttempt::new(claim, error))?)
            }
            None => None,
        };
        let accepted = (self.accept)(claim);
        match (attempt, &accepted) {
            (Some(attempt), Some(_)) => attempt.succeeded(),
            (Some(attempt), None) => attempt.failed(),
            (None, _) => {}
        }
        accepted.ok_or_else(|| FailedAttempt::new(claim, AuthError::Denied).into())
    }
}

/// Selects nothing: SOCKS5 has methods of its own.
impl<F, Io> Authenticate<Io> for AcceptUserId<F>
where
    F: Fn(&[u8]) -> Option<Identity> + Send + Sync,
    Io: ClientStream,
{
    type Stream = Io;

    fn select(&self, _: &Negotiation<Io>) -> Option<Method> {
        None
    }

    async fn authenticate(
        &self,
        _: Method,
        _: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        Err(AuthError::NoAcceptableMethod.into())
    }
}

impl<F> fmt::Debug for AcceptUserId<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptUserId").finish_non_exhaustive()
    }
}
