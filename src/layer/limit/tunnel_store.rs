use std::fmt;

use crate::session::Share;

/// Counts the open tunnels of each key where several proxies can share the counts: for
/// [`ConcurrentTunnels::with_store`](super::ConcurrentTunnels::with_store).
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
/// use tower_socks::{layer::limit::{Lease, TunnelStore}, session::Share};
///
/// /// Counts in a map that proxies of one process share.
/// #[derive(Clone, Default)]
/// struct Everywhere(Arc<Mutex<HashMap<String, usize>>>);
///
/// struct One(Everywhere, String);
///
/// impl Drop for One {
///     fn drop(&mut self) {
///         let mut open = self.0.0.lock().unwrap();
///         *open.get_mut(&self.1).unwrap() -= 1;
///     }
/// }
///
/// impl TunnelStore<String> for Everywhere {
///     fn take(&self, key: &String, most: usize) -> Share<Option<Lease>> {
///         let mut open = self.0.lock().unwrap();
///         let open = open.entry(key.clone()).or_default();
///         let is_free = *open < most;
///         *open += usize::from(is_free);
///         Share::Now(is_free.then(|| Lease::new(One(self.clone(), key.clone()))))
///     }
/// }
///
/// let store = Everywhere::default();
/// let Share::Now(Some(lease)) = store.take(&"joe".into(), 1) else { unreachable!() };
/// assert!(matches!(store.take(&"joe".into(), 1), Share::Now(None)));
/// drop(lease);
/// assert!(matches!(store.take(&"joe".into(), 1), Share::Now(Some(_))));
/// ```
pub trait TunnelStore<K>: Send + Sync + 'static {
    /// Takes a place for one tunnel of the key, of which it may have `most`. `None`, if all are taken.
    ///
    /// It must not block. Where the answer comes later, the request waits for it before its dial, as long as
    /// [`ConcurrentTunnels`](super::ConcurrentTunnels) is told. Dropping the future gives the place back.
    fn take(&self, key: &K, most: usize) -> Share<Option<Lease>>;
}

/// A place that a [`TunnelStore`] has given to a tunnel. Dropping it gives the place back.
///
/// Drop does not wait, so a store across a network sends the news in the background; and since a process that crashes drops
/// nothing, what it held there has to expire by itself.
pub struct Lease {
    _held: Box<dyn Held>,
}

trait Held: Send + Sync {}

impl<T: Send + Sync> Held for T {}

impl Lease {
    /// Creates the lease of what gives the place back when it is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}
