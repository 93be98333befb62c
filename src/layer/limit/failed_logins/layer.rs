use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{FailedLoginStore, attempts::Attempts, bounds::Bounds, future::ResponseFuture};
use crate::{
    admission::client_network,
    error::BoxError,
    session::{LoginAttempts, Negotiation},
};

/// Slows failed logins down, for each client address (IPv6: each /64). It stands between
/// [`HandshakeLayer`](crate::HandshakeLayer) and [`AuthLayer`](crate::AuthLayer). See the
/// [module](crate::layer::limit).
///
/// Attempts count for the client network, for its site (IPv4 /24, IPv6 /48), for the name, and for the name as stated
/// from that site. Each has failures that cost nothing. Then every attempt waits before its password is looked at: a
/// second, then twice as long after each further failure, up to four. All attempts wait, and so a right password
/// gets in after that, whatever others are guessing there.
///
/// * **An attempt counts as a failure from its start**, until it has succeeded. Of those whose failures would no longer be
///   free, each waits until others have succeeded or failed. So guesses in parallel are not free, and a thousand
///   users of one office who come back at once are let in.
/// * **Attempts at once are bounded** after failures, those that wait included: more are refused, with `01 01` by
///   [`UserPass`](crate::UserPass) and nothing said about the password. That bounds guesses, however many
///   connections there are:
///
/// | from | at once | guesses a second |
/// |---|---|---|
/// | one client network | [64](Self::at_once_per_client) | 16 |
/// | one site | [256](Self::at_once_per_site) | 64 |
/// | one site, at one name | [32](Self::at_once_per_name); 8 after 1,000 failures in a row | 8; 2 |
/// | one client network, at a name that has logged in from there | 8 more | 2 more |
///
/// * **A name that has logged in from a client network** in the last day is known there. It waits for failures under this
///   name in this network alone, and not for those of others behind the same address.
/// * **A success clears nobody's failures.** One of them is forgiven each minute. Failures from everywhere count for the name,
///   and make it wait, but keep nobody out.
///
/// 65,536 of those that have failed are remembered, 65,536 names with 8 networks each, and the oldest forgotten first.
/// An attempt costs some four entries in a map. Clones share what is known.
///
/// A method of your own takes part by [`LoginAttempts`]. One that does not, since it has no names, has its failures
/// counted by client network, when they have happened.
///
/// ```
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_socks::{AuthLayer, Connector, UserPass, layer::limit::FailedLoginsLayer};
/// # use tower_socks::{Credentials, Identity, error::AuthError, io::PrefixedStream};
/// # use tower_socks::{proto::Method, session::Negotiation};
/// # use tokio::io::AsyncWriteExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let verifier = tower::service_fn(async |_: Credentials| Err::<Identity, _>(AuthError::Denied));
/// let service = ServiceBuilder::new()
///     .layer(FailedLoginsLayer::new())
///     .layer(AuthLayer::new(UserPass::new(verifier)))
///     .service(Connector::direct());
///
/// let log_in = async || {
///     // With a wrong password.
/// #   let (mut client, server) = tokio::io::duplex(64);
/// #   client.write_all(b"\x01\x03joe\x05wrong").await.unwrap();
/// #   client.shutdown().await.unwrap();
/// #   let peer = ([192, 0, 2, 1], 50_000).into();
/// #   let offered = Method::USERNAME_PASSWORD.into();
/// #   let negotiation = Negotiation::new(PrefixedStream::new(server), offered, peer, peer);
///     service.clone().oneshot(negotiation).await.unwrap_err().to_string()
/// };
/// # tokio::time::pause();
/// # let started = tokio::time::Instant::now();
/// for _ in 0..4 {
///     assert_eq!(log_in().await, r#"name "joe": wrong name or password"#);
/// }
/// // From now on it takes a second, then two, then four.
/// # assert!(started.elapsed().is_zero());
/// assert_eq!(log_in().await, r#"name "joe": wrong name or password"#);
/// # assert_eq!(started.elapsed().as_secs(), 1);
/// # }
/// ```
#[derive(Clone)]
pub struct FailedLoginsLayer {
    attempts: Arc<Attempts>,
}

impl FailedLoginsLayer {
    /// Creates a layer that knows of no failures.
    #[must_use]
    pub fn new() -> Self {
        Self {
            attempts: Arc::new(Attempts::new(Bounds::DEFAULT, None)),
        }
    }

    /// Shares failures, and where names have logged in, with other proxies in a store. What was cloned before does not.
    ///
    /// Attempts by methods that state no names are told to it, and wait for those of this process alone.
    #[must_use]
    pub fn with_store(self, store: impl FailedLoginStore) -> Self {
        Self {
            attempts: Arc::new(Attempts::new(self.attempts.bounds(), Some(Arc::new(store)))),
        }
    }

    /// Sets how many failures of a client network, or under a name from one site, cost nothing. 3 by default. A site has
    /// sixteen times as many, and a name from everywhere eight times. What was cloned before knows other failures.
    #[must_use]
    pub fn free_failures(self, most: u32) -> Self {
        self.with(|bounds| bounds.free = most)
    }

    /// Sets how long an attempt waits after failures. 4 s by default. An attempt that waits for verdicts on others waits for
    /// one and a half times as long, all in all: that fits into the deadline of a handshake, or else nobody gets in. Half as long is twice
    /// as many guesses.
    #[must_use]
    pub fn longest_delay(self, longest: Duration) -> Self {
        self.with(|bounds| bounds.longest_delay = longest)
    }

    /// Sets how many attempts of a client network that has failed are made or wait at once. 64 by default; one at
    /// least.
    #[must_use]
    pub fn at_once_per_client(self, most: u32) -> Self {
        self.with(|bounds| bounds.per_client = most)
    }

    /// Sets the same for an IPv4 /24 and an IPv6 /48. 256 by default.
    #[must_use]
    pub fn at_once_per_site(self, most: u32) -> Self {
        self.with(|bounds| bounds.per_site = most)
    }

    /// Sets the same for a name as stated from one site. 32 by default. A quarter of it, after 1,000 failures in a row,
    /// and in addition for a name where it has logged in before.
    #[must_use]
    pub fn at_once_per_name(self, most: u32) -> Self {
        self.with(|bounds| bounds.per_name = most)
    }

    /// Sets all of these to those of another layer, for all clones and for the services that were made: what a file says
    /// anew. What is remembered of failures stays, and attempts that wait go on waiting.
    pub fn set_like(&self, other: &Self) {
        self.attempts.set_bounds(other.attempts.bounds());
    }

    fn with(self, change: impl FnOnce(&mut Bounds)) -> Self {
        let mut bounds = self.attempts.bounds();
        change(&mut bounds);
        Self {
            attempts: Arc::new(Attempts::new(bounds, self.attempts.store())),
        }
    }
}

impl Default for FailedLoginsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for FailedLoginsLayer {
    type Service = FailedLogins<S>;

    fn layer(&self, inner: S) -> FailedLogins<S> {
        FailedLogins {
            attempts: Arc::clone(&self.attempts),
            inner,
        }
    }
}

impl fmt::Debug for FailedLoginsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedLoginsLayer")
            .field("bounds", &self.attempts.bounds())
            .finish_non_exhaustive()
    }
}

/// Slows failed logins down: the service of [`FailedLoginsLayer`].
#[derive(Clone)]
pub struct FailedLogins<S> {
    attempts: Arc<Attempts>,
    inner: S,
}

impl<S> FailedLogins<S> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Io, R> Service<Negotiation<Io>> for FailedLogins<S>
where
    S: Service<Negotiation<Io>, Response = R> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = R;
    type Error = BoxError;
    type Future = ResponseFuture<S, Io>;

    // The inner service is asked when the attempt begins.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut negotiation: Negotiation<Io>) -> Self::Future {
        let client = client_network(negotiation.peer.ip());
        let entered = LoginAttempts::new(Arc::clone(&self.attempts) as _);
        negotiation.extensions.insert(entered.clone());
        let authentication = self.inner.clone().oneshot(negotiation);
        ResponseFuture::new(authentication, Arc::clone(&self.attempts), entered, client)
    }
}

impl<S: fmt::Debug> fmt::Debug for FailedLogins<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedLogins")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
