use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Extensions;

/// What a request led to in the end, which a connector stores and a layer reads: an address, or a
/// name that an upstream resolved.
///
/// [`Request::dialled`](super::Request::dialled) returns it: to be called with the request, and read once
/// the tunnel is there. Clones share the address. Where no layer asks, nothing is stored or allocated.
///
/// An audit layer, which logs who reached which address:
///
/// ```
/// use tower::{Service, ServiceExt};
/// use tower_socks::{BoxError, Request, Tunnel};
///
/// async fn audit<S>(dial: S, mut request: Request) -> Result<S::Response, BoxError>
/// where
///     S: Service<Request, Response: Tunnel, Error = BoxError>,
/// {
///     let (name, dialled) = (request.identity.clone(), request.dialled());
///     let tunnel = dial.oneshot(request).await?;
///     if let Some(address) = dialled.get() {
///         tracing::info!(%name, %address, "dialled");
///     }
///     Ok(tunnel)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
/// # use tower_socks::{Connector, proto::{Address, Command}};
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let target = Address::Ip(listener.local_addr()?);
/// let layer = tower::layer::layer_fn(|inner: Connector| {
///     tower::service_fn(move |request| audit(inner.clone(), request))
/// });
/// # use tower::Layer;
/// # layer.layer(Connector::direct()).oneshot(Request::new(Command::CONNECT, target)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Dialled(Arc<Mutex<Used>>);

#[derive(Clone, Debug, Default)]
struct Used {
    address: Option<SocketAddr>,
    upstream: Option<Arc<str>>,
    handed_on: bool,
}

impl Dialled {
    /// What rides along with a request, if a layer has asked.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get_shared().map(Self)
    }

    /// Puts a new one in.
    pub(super) fn put(extensions: &mut Extensions) -> Self {
        let used = Arc::default();
        extensions.insert_shared(Arc::clone(&used));
        Self(used)
    }

    pub(super) fn set(&self, address: SocketAddr) {
        self.lock().address = Some(address);
    }

    pub(super) fn set_upstream(&self, name: Arc<str>) {
        self.lock().upstream = Some(name);
    }

    pub(super) fn set_handed_on(&self) {
        self.lock().handed_on = true;
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the address; `None` until the request has led to one, and for good where it leads to
    /// a name that an upstream resolves.
    #[must_use]
    pub fn get(&self) -> Option<SocketAddr> {
        self.lock().address
    }

    /// Returns the name of the upstream through which it went, where a layer has
    /// [named](super::Request::routed) one.
    #[must_use]
    pub fn upstream(&self) -> Option<Arc<str>> {
        self.lock().upstream.clone()
    }

    /// Returns whether the request led to its name, which was handed to an upstream.
    ///
    /// BIND through an upstream can have both in the end: the name that was expected, and the
    /// address of the peer that came.
    #[must_use]
    pub fn is_handed_on(&self) -> bool {
        self.lock().handed_on
    }
}
