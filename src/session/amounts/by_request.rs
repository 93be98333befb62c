//! Amounts that depend on the request.

use crate::session::Request;

/// Says how much a limit allows for a request: the same for all, a number, or a closure
/// `|request: &Request| -> Option<T>`.
///
/// It is asked at each request, so what it says may change at any time, up and down: a key has the amount of its latest
/// request. `None` is not limited and not counted.
///
/// ```
/// use tower_socks::{
///     Request,
///     layer::{key, limit::ConcurrentTunnels},
///     session::Amounts,
/// };
///
/// // What its directory allows the user, or else ten.
/// let tunnels = ConcurrentTunnels::by_request(
///     |request: &Request| Amounts::of(&request.identity).map_or(Some(10), |it| it.tunnels),
///     key::user,
/// );
/// # let _ = tunnels;
/// ```
pub trait Amount<T>: Clone + Send + Sync + 'static {
    /// Returns the amount for this request; `None`, if it is not limited.
    fn amount(&self, request: &Request) -> Option<T>;
}

impl Amount<usize> for usize {
    fn amount(&self, _: &Request) -> Option<usize> {
        Some(*self)
    }
}

impl<T, F> Amount<T> for F
where
    F: Fn(&Request) -> Option<T> + Clone + Send + Sync + 'static,
{
    fn amount(&self, request: &Request) -> Option<T> {
        self(request)
    }
}
