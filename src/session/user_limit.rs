use std::{
    fmt,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Amount, Request, UserOrClient};
use crate::{
    admission::{Fullness, Place, Places},
    error::Refusal,
};

/// Bounds the associations or the BINDs of each user, and of each client without a name. Clones share the counts.
///
/// One that is given to a connector anew, as after a reload, goes on counting what is open.
///
/// ```
/// use tower_socks::{connector::associate::Associate, session::UserLimit};
///
/// let limit = UserLimit::associations(64);
/// let associate = Associate::new().limit(limit.clone());
/// limit.set_most(8); // from now on
/// # let _ = associate;
/// ```
#[derive(Clone)]
pub struct UserLimit {
    name: &'static str,
    places: Places<UserOrClient>,
    most: Arc<AtomicUsize>,
    by_request: Option<Arc<ByRequest>>,
}

type ByRequest = dyn Fn(&Request) -> Option<usize> + Send + Sync;

impl UserLimit {
    /// Allows each so many open associations. One more is refused with 02.
    #[must_use]
    pub fn associations(most: usize) -> Self {
        Self::new("associations", most)
    }

    /// Allows each so many BINDs, those that wait for their peer among them. One more is refused with 02.
    #[must_use]
    pub fn binds(most: usize) -> Self {
        Self::new("binds", most)
    }

    fn new(name: &'static str, most: usize) -> Self {
        Self {
            name,
            places: Places::new(name),
            most: Arc::new(most.into()),
            by_request: None,
        }
    }

    /// Allows as many as `most` says of the request, and where that is `None` the number for all.
    #[must_use]
    pub fn by_request(mut self, most: impl Amount<usize>) -> Self {
        self.by_request = Some(Arc::new(move |request| most.amount(request)));
        self
    }

    /// Returns the same, with a number of its own.
    pub(crate) fn with_most(mut self, most: usize) -> Self {
        self.most = Arc::new(most.into());
        self
    }

    /// Sets the number for all, of all clones. What is open stays: who has more than that has no further one before enough
    /// have ended.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Returns the number for all.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Returns the `most` of those whose limit is the fullest, the fullest first. Looks at all who have one open.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<UserOrClient>> {
        self.places.fullest(most)
    }

    /// Takes a place for this request.
    ///
    /// # Errors
    ///
    /// There is none: refused with 02.
    pub(crate) fn take(&self, request: &Request) -> Result<Place<UserOrClient>, Refusal> {
        // A client without an address, on a Unix socket, is on this machine.
        let here = UserOrClient::Client(Ipv4Addr::LOCALHOST.into());
        let key = UserOrClient::of(request).unwrap_or(here);
        let own = self.by_request.as_ref().and_then(|most| most(request));
        let most = own.unwrap_or_else(|| self.most());
        self.places.take(key.clone(), most).ok_or_else(|| {
            let name = self.name;
            let those = if name == "binds" { "BINDs" } else { name };
            Refusal::not_allowed(format!("{key:?} has too many {those}"))
                .with_rule(format!("limit {name}"))
        })
    }
}

impl fmt::Debug for UserLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLimit")
            .field("of", &self.name)
            .field("most", &self.most())
            .finish_non_exhaustive()
    }
}
