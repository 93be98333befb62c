//! Attempts to log in, and what counts them.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;

use crate::error::Refusal;

/// Counts attempts to log in and makes them wait: a layer puts it into the extensions of a
/// [`Negotiation`](super::Negotiation), and an authentication method enters it with each name before it looks
/// at the password.
///
/// [`UserPass`](crate::UserPass) does so. A method of yours that knows a name does the same, so that
/// guesses in parallel count from their start and names count as well:
///
/// ```
/// use tower_socks::{
///     BoxError, Identity, error::AuthError, session::{LoginAttempts, Negotiation},
/// };
///
/// # async fn right(_: &[u8]) -> bool { false }
/// async fn verify<Io>(negotiation: &Negotiation<Io>, name: &[u8]) -> Result<Identity, BoxError> {
///     let attempt = match negotiation.extensions.get::<LoginAttempts>() {
///         Some(attempts) => Some(attempts.enter(negotiation.peer, name).await?),
///         None => None,
///     };
///     let right = right(name).await;
///     match attempt {
///         Some(attempt) if right => attempt.succeeded(),
///         Some(attempt) => attempt.failed(),
///         None => {}
///     }
///     if right { Ok(Identity::named(name)) } else { Err(AuthError::Denied.into()) }
/// }
/// # let io = tower_socks::proto::Method::USERNAME_PASSWORD;
/// # let peer = ([192, 0, 2, 1], 1).into();
/// # let negotiation = Negotiation::new((), io.into(), peer, peer);
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # assert!(runtime.block_on(verify(&negotiation, b"joe")).is_err());
/// ```
#[derive(Clone)]
pub struct LoginAttempts {
    counts: Arc<dyn CountLogins>,
    /// Whether anybody has entered on this connection.
    entered: Arc<AtomicBool>,
}

/// What a layer counts attempts with.
pub(crate) trait CountLogins: Send + Sync {
    /// Waits until the attempt may be made.
    fn enter(
        self: Arc<Self>,
        client: SocketAddr,
        name: &[u8],
    ) -> BoxFuture<'static, Result<Box<dyn CountLogin>, Refusal>>;
}

/// One attempt, which counts as a failure until it is dropped.
pub(crate) trait CountLogin: Send {
    /// Takes the verdict.
    fn end(self: Box<Self>, right: bool);
}

impl LoginAttempts {
    #[cfg_attr(not(feature = "limit"), expect(dead_code, reason = "of a limit"))]
    pub(crate) fn new(counts: Arc<dyn CountLogins>) -> Self {
        Self {
            counts,
            entered: Arc::default(),
        }
    }

    /// Waits until a client may make an attempt under a name.
    ///
    /// # Errors
    ///
    /// Too many attempts wait already, after failed ones. The password is not to be looked at then, and the client
    /// hears a failure.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is as if there had been no attempt.
    pub async fn enter(&self, client: SocketAddr, name: &[u8]) -> Result<LoginAttempt, Refusal> {
        self.entered.store(true, Ordering::Relaxed);
        let entering = Arc::clone(&self.counts).enter(client, name);
        Ok(LoginAttempt(entering.await?))
    }

    /// Whether a method has entered on this connection.
    #[cfg_attr(not(feature = "limit"), expect(dead_code, reason = "of a limit"))]
    pub(crate) fn is_entered(&self) -> bool {
        self.entered.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LoginAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempts").finish_non_exhaustive()
    }
}

/// An attempt to log in that has begun. Until it ends it counts as a failure; dropped, it did not happen.
pub struct LoginAttempt(Box<dyn CountLogin>);

impl LoginAttempt {
    /// Ends it: the password was right.
    pub fn succeeded(self) {
        self.0.end(true);
    }

    /// Ends it: name or password was wrong.
    pub fn failed(self) {
        self.0.end(false);
    }
}

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempt").finish_non_exhaustive()
    }
}
