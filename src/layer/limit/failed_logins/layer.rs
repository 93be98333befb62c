use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{failures::Shared, future::ResponseFuture};
use crate::{admission::client_network, error::BoxError, session::Negotiation};

/// Slows failed logins down, for each client address (IPv6: each /64). It stands between
/// [`HandshakeLayer`](crate::HandshakeLayer) and [`AuthLayer`](crate::AuthLayer). See the
/// [module](crate::layer::limit).
///
/// After three failures, attempts from that address have to wait for their turn: a second, then
/// twice as long after each further failure, up to a minute. Many connections at once do not help,
/// as they take turns. An attempt whose turn is more than 5 s away is closed at once. A success, or a
/// quarter of an hour without a failure, clears the address. 65,536 addresses are remembered, and the
/// oldest forgotten first. Clones share what is known.
///
/// Users behind one address share its turns.
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
/// for _ in 0..7 {
///     assert!(!log_in().await.contains("too many"));
/// }
/// let error = log_in().await;
/// assert!(error.starts_with("too many failed logins from 192.0.2.1: "), "{error}");
/// # }
/// ```
#[derive(Clone, Default)]
pub struct FailedLoginsLayer {
    shared: Arc<Shared>,
}

impl FailedLoginsLayer {
    /// Creates a layer that knows of no failures.
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

    // The inner service is asked when it is the attempt's turn.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, negotiation: Negotiation<Io>) -> Self::Future {
        let client = client_network(negotiation.peer.ip());
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
