use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{failures::Shared, future::ResponseFuture};
use crate::{error::BoxError, layer::key::of_network, session::Negotiation};

/// Slows failed logins down, for each client address (IPv6: each /64). It stands between
/// [`HandshakeLayer`](crate::HandshakeLayer) and [`AuthLayer`](crate::AuthLayer). See the
/// [module](crate::layer::limit).
///
/// After three failures, attempts from that address have to wait for their turn: a second, then
/// twice as long after each further failure, up to a minute. Many connections at once do not help,
/// as they take turns. Whose turn is more than 5 s away is disconnected. A success, or a quarter of
/// an hour without a failure, makes the address as good as new. 65,536 addresses are remembered, and
/// the oldest forgotten first. Clones share what is known.
///
/// Users behind one address share its turns.
#[derive(Clone, Default)]
pub struct FailedLoginsLayer {
    shared: Arc<Shared>,
}

impl FailedLoginsLayer {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for FailedLoginsLayer {
    type Service = FailedLogins<S>;

    fn layer(&self, inner: S) -> FailedLogins<S> {
        FailedLogins {
            shared: Arc::clone(&self.shared),
            inner,
        }
    }
}

impl fmt::Debug for FailedLoginsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedLoginsLayer").finish_non_exhaustive()
    }
}

/// Slows failed logins down: the service of [`FailedLoginsLayer`].
#[derive(Clone)]
pub struct FailedLogins<S> {
    shared: Arc<Shared>,
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

    // The inner one is asked when it is an attempt's turn.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, negotiation: Negotiation<Io>) -> Self::Future {
        let client = of_network(negotiation.peer.ip(), 32, 64);
        let turn = client.map_or(Ok(None), |client| self.shared.turn(client));
        let authentication = self.inner.clone().oneshot(negotiation);
        ResponseFuture::new(turn, authentication, Arc::clone(&self.shared), client)
    }
}

impl<S: fmt::Debug> fmt::Debug for FailedLogins<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedLogins")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
