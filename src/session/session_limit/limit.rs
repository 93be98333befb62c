use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{Queueing, SessionPlace, numbers::Numbers, places::Places, shared::Shared};
use crate::session::{Fullness, Identity, UserOrClient};

/// Connections that may wait for a place at once.
const QUEUE: usize = 1024;

/// For how long they wait: half of what a handshake may take by default.
const WAIT: Duration = Duration::from_secs(5);

/// The name of the gauge of places.
#[cfg(feature = "metrics")]
pub(crate) const MOST: &str = "socks_sessions_limit";

/// Bounds live sessions: of all clients together, of each client, and of each user. Clones share the
/// counts.
///
/// A session counts from accept to close. It counts for its client from the beginning, and for its user,
/// if it has one, from authentication on. A client is an IPv4 address, or an IPv6 /64, all of which one
/// host can have; clients without an address, on a Unix socket, count in the whole only.
///
/// | beyond | the connection |
/// |---|---|
/// | all places | waits for one in a queue of 1,024, for up to 5 s, and is closed then |
/// | the places of its client | is closed at once |
/// | the places of its user | is refused with 02, once its request is read |
///
/// By default a client and a user may have a quarter of all places each; of few places, up to 8 or
/// three quarters, whichever is less. Behind a load balancer that states its clients, a
/// [`ProxyProtocolLayer`](crate::layer::proxy_protocol::ProxyProtocolLayer) has them counted; behind any other,
/// where all clients come from one address, set [`per_client`](Self::per_client) to the whole.
///
/// The log has one line at warn when all places are taken, which names who has the most, and one at info
/// when a twentieth is free again.
///
/// ```
/// use std::future::IntoFuture;
/// use tokio::{io::AsyncReadExt, net::{TcpListener, TcpStream}};
/// # use tower::ServiceBuilder;
/// use tower_socks::{serve, server::SessionLimit};
/// # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_socks::BoxError> {
/// # let stack = ServiceBuilder::new()
/// #     .layer(HandshakeLayer::new())
/// #     .layer(AuthLayer::new(NoAuth))
/// #     .service(Connector::direct());
/// // Two listeners, ten thousand sessions, and two of them for each client.
/// let limit = SessionLimit::new(10_000).per_client(2);
/// # let mut addresses = Vec::new();
/// for _ in 0..2 {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
/// #   addresses.push(listener.local_addr()?);
///     tokio::spawn(serve(listener, stack.clone()).sessions(limit.clone()).into_future());
/// }
///
/// let _first = TcpStream::connect(addresses[0]).await?;
/// let _second = TcpStream::connect(addresses[1]).await?;
/// # while limit.live() < 2 { tokio::task::yield_now().await }
/// assert_eq!(limit.live(), 2);
/// let mut third = TcpStream::connect(addresses[0]).await?;
/// assert_eq!(third.read(&mut [0]).await?, 0); // closed
/// # Ok(())
/// # }
/// ```
///
/// All numbers can be set while sessions are live, on any clone. Those that are live stay, and nobody comes in who would
/// exceed the new numbers.
#[derive(Clone)]
pub struct SessionLimit(Arc<Shared>);

impl SessionLimit {
    /// Allows so many sessions together, with the default shares. 0 would serve nobody, and is taken
    /// for 1; more than [`Semaphore::MAX_PERMITS`] are as many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let share = share_of(most);
        Self(Arc::new(Shared {
            numbers: Numbers::new(share, QUEUE, WAIT),
            places: Arc::new(Places::new(most)),
        }))
    }

    fn with(self, change: impl FnOnce(&mut Numbers)) -> Self {
        let mut numbers = self.0.numbers.clone();
        change(&mut numbers);
        let places = Arc::clone(&self.0.places);
        Self(Arc::new(Shared { numbers, places }))
    }

    /// Sets how many of them a client may have. 0 is taken for 1.
    #[must_use]
    pub fn per_client(self, most: usize) -> Self {
        self.with(|numbers| numbers.set_per_client(most))
    }

    /// Sets how many of them a user may have. 0 is taken for 1.
    #[must_use]
    pub fn per_user(self, most: usize) -> Self {
        self.with(|numbers| numbers.set_per_user(most))
    }

    /// Gives users numbers of their own: `most` says how many sessions the user of an identity may have. Where that is
    /// `None`, as many as [any](Self::per_user).
    #[must_use]
    pub fn per_user_of(
        self,
        most: impl Fn(&Identity) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        self.with(|numbers| numbers.by_identity = Some(Arc::new(most)))
    }

    /// Sets how many connections may wait for a place at once, and for how long, before they are closed.
    /// Without a place in this queue they are closed at once. The time of the handshake begins
    /// afterwards.
    #[must_use]
    pub fn queue(self, most: usize, wait: Duration) -> Self {
        self.with(|numbers| numbers.set_queue(most, wait))
    }

    /// Sets how many sessions there may be, for all clones. Shares stay as they are. See [`new`](Self::new) for the
    /// bounds.
    pub fn set_most(&self, most: usize) {
        self.0.places.permits.set(most.max(1));
        self.announce();
    }

    /// Sets how many of them a client may have. 0 is taken for 1.
    pub fn set_per_client(&self, most: usize) {
        self.0.numbers.set_per_client(most);
    }

    /// Sets how many of them a user may have. 0 is taken for 1.
    pub fn set_per_user(&self, most: usize) {
        self.0.numbers.set_per_user(most);
    }

    /// Sets how many connections may wait from now on, and for how long.
    pub fn set_queue(&self, most: usize, wait: Duration) {
        self.0.numbers.set_queue(most, wait);
    }

    /// Sets the numbers to those of another limit: what a file says anew. Whom it counts, and what users have of their own,
    /// stays.
    pub fn set_like(&self, other: &Self) {
        self.set_most(other.most());
        self.0.numbers.set_like(&other.0.numbers);
    }

    /// Returns how many sessions are live.
    #[must_use]
    pub fn live(&self) -> usize {
        self.0.places.permits.used()
    }

    /// Returns how many connections wait for a place.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.places.waiting.load(Ordering::Relaxed)
    }

    /// Returns how many sessions there may be.
    #[must_use]
    pub fn most(&self) -> usize {
        self.0.places.permits.most()
    }

    /// Returns who has the most sessions, and how many, if anybody has one. Looks at all of them.
    #[must_use]
    pub fn largest(&self) -> Option<(UserOrClient, usize)> {
        self.0.places.largest()
    }

    /// Returns the `most` users and clients that have the largest share of theirs, the fullest first. Looks at all of them.
    #[must_use]
    pub fn fullest(&self, most: usize) -> Vec<Fullness<UserOrClient>> {
        self.0.places.fullest(most)
    }

    /// Tells the metrics how many places there are: once there is a recorder.
    pub(crate) fn announce(&self) {
        #[cfg(feature = "metrics")]
        metrics::gauge!(MOST).set(self.most() as f64);
    }

    /// Takes a place for a connection from this address, or a place in the queue.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn enter(&self, client: IpAddr) -> Result<Entry, Full> {
        let Shared { numbers, places } = &*self.0;
        let counted = places.count_client(client, numbers.per_client());
        let client = counted.ok_or(Full::Client)?;
        if places.permits.try_take() {
            let place = SessionPlace::new(Arc::clone(&self.0), client);
            return Ok(Entry::Place(place));
        }
        places.note_full();
        let (most, wait) = numbers.queue();
        let queueing = Queueing::join(&self.0, most, client);
        Ok(Entry::Queued(queueing.ok_or(Full::All)?, wait))
    }
}

/// A quarter; of few places more, since two clients are to be served by two places.
fn share_of(most: usize) -> usize {
    let quarter = most.div_ceil(4);
    quarter.max((most - most / 4).min(8))
}

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Its client has as many as it may have.
    Client,
    /// All places are taken, and those in the queue as well.
    All,
}

/// A place, or a place in the queue for a time.
pub(crate) enum Entry {
    Place(SessionPlace),
    Queued(Queueing, Duration),
}

impl fmt::Debug for SessionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLimit")
            .field("most", &self.most())
            .field("per_client", &self.0.numbers.per_client())
            .field("per_user", &self.0.numbers.per_user())
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}
