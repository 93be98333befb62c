//! Accounting (RFC 2866): servers hear of each tunnel.

mod builder;
mod lanes;
mod records;
mod sender;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

pub use self::builder::AccountingBuilder;
use self::{
    lanes::{Kind, Lanes},
    records::Told,
};
use super::{
    server::{Server, Times},
    service::Accepted,
};
use crate::session::{
    Identity,
    record::{Record, Sink},
};

/// How often a server may want to hear of a tunnel.
const INTERIM: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);

/// Tells servers of RADIUS what users do: a [`Sink`] that sends Start, Interim-Update and Stop for each tunnel.
///
/// What it is told goes into a queue, which [`run`](Self::run) sends: nobody waits for a server. What a server does not
/// acknowledge stays in the queue and is sent again, with Acct-Delay-Time, until one of them does, for 24 h at most, and five
/// times where a server answers all but this. Records of one session are
/// sent one after the other. A queue that is full drops what comes: updates where it is half full, Start where it is full by
/// three quarters, so that Stop, which has all of the numbers, is the last. What was dropped is [counted](Self::dropped), and
/// said in the log.
///
/// | attribute | value |
/// |---|---|
/// | Acct-Status-Type | Start, Interim-Update, Stop; Accounting-On, Accounting-Off |
/// | Acct-Session-Id | session and request of the [record](Record), unique over restarts |
/// | Acct-Multi-Session-Id | the session: all requests of one connection have the same |
/// | User-Name, Acct-Authentic | the user; RADIUS, or Local for one who was verified by something else |
/// | Class | as it came, each |
/// | Calling-Station-Id, Called-Station-Id | the client's address; the address and port that it has reached |
/// | NAS-Identifier, NAS-Port-Type, Service-Type | as in requests; Virtual, Login |
/// | Connect-Info | protocol and command: `socks5 CONNECT`. Where to is a matter of access logs |
/// | Acct-Session-Time, Event-Timestamp, Acct-Delay-Time | in seconds |
/// | Acct-Input-Octets, Acct-Output-Octets, and their Gigawords | payload from the client, and to it |
/// | Acct-Input-Packets, Acct-Output-Packets | datagrams, of an association |
/// | Acct-Terminate-Cause | how it [ended](crate::layer::record::EndKind) |
///
/// | how it ended | Acct-Terminate-Cause |
/// |---|---|
/// | done | User Request |
/// | the client broke, or left | Lost Carrier |
/// | the target broke | Host Request |
/// | idle | Idle Timeout |
/// | by the operator, by a policy | Admin Reset |
/// | by a limit | NAS Request |
/// | drained, dropped | Admin Reboot |
/// | failed on our side | NAS Error |
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use tower_socks::layer::{auth::radius::Accounting, record::{Recorder, Sink}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_socks::BoxError> {
/// let accounting = Accounting::builder(["10.0.0.5"], "a long random secret")
///     .interim(Some(Duration::from_secs(600)))
///     .build()?;
/// tokio::spawn(accounting.run());
/// let recorder = Recorder::new([Arc::new(accounting.clone()) as Arc<dyn Sink>]);
/// // .. serve with `recorder.sessions()` and `recorder.requests()`; and in the end:
/// # _ = recorder;
/// accounting.finish(Duration::from_millis(1)).await;
/// assert_eq!(accounting.dropped(), 0);
/// # Ok(())
/// # }
/// ```
///
/// Clones share the queue.
#[derive(Clone)]
pub struct Accounting {
    inner: Arc<Inner>,
    _alive: Arc<Alive>,
}

struct Inner {
    servers: Vec<Server>,
    nas_identifier: String,
    interim: Option<Duration>,
    times: Times,
    lanes: Lanes,
    /// Something is in the queue, or it comes to an end.
    changed: Notify,
    empty: Notify,
    /// Nothing comes any more.
    is_over: AtomicBool,
}

/// Where the last one goes, nothing comes any more.
struct Alive(Arc<Inner>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.changed.notify_one();
    }
}

impl Accounting {
    /// Tells these servers, of which the next is told where one is away. They share the secret. The port is 1813 if none
    /// is stated.
    pub fn builder<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        secret: impl Into<Vec<u8>>,
    ) -> AccountingBuilder {
        AccountingBuilder::new(servers, secret)
    }

    fn new(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        Self {
            _alive: Arc::new(Alive(Arc::clone(&inner))),
            inner,
        }
    }

    /// Sends what is in the queue, until all clones of this are gone, those that recorders have among them, and it is
    /// empty. It is to be spawned once.
    ///
    /// # Cancel safety
    ///
    /// What is dropped while it is being sent is lost, or sent again by another `run`.
    pub fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        sender::run(Arc::clone(&self.inner))
    }

    /// Tells servers that the proxy begins (Accounting-On), before all that comes after this: for a server that closes
    /// what was left open when the proxy was killed.
    pub fn begin(&self) {
        let on = Told::of_nas(records::ACCOUNTING_ON, &self.inner.nas_identifier);
        self.inner.put(on, Kind::Stop);
    }

    /// Waits until all in the queue is sent, for so long at most. Returns how many records are left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn flush(&self, longest: Duration) -> usize {
        // What is left is said by who asks.
        _ = timeout(longest, self.inner.emptied()).await;
        self.inner.lanes.len()
    }

    /// Waits until all in the queue is sent, and tells servers that the proxy ends (Accounting-Off), for so long at most.
    /// Returns how many records are left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn finish(&self, longest: Duration) -> usize {
        let finishing = async {
            self.inner.emptied().await;
            let off = Told::of_nas(records::ACCOUNTING_OFF, &self.inner.nas_identifier);
            self.inner.put(off, Kind::Stop);
            self.inner.emptied().await;
        };
        _ = timeout(longest, finishing).await;
        self.inner.lanes.len()
    }

    /// Returns the number of records that found no place in the queue.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner.lanes.dropped()
    }

    /// Returns the number of records that wait for a server.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.lanes.len()
    }
}

impl Inner {
    fn put(&self, told: Told, kind: Kind) {
        if self.lanes.put(told, kind) {
            self.changed.notify_one();
        }
    }

    async fn emptied(&self) {
        loop {
            let emptied = self.empty.notified();
            if self.lanes.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Sink for Accounting {
    fn started(&self, record: &Record) {
        let told = Told::of(record, records::START, &self.inner.nas_identifier);
        self.inner.put(told, Kind::Start);
    }

    fn interim(&self, record: &Record) {
        let told = Told::of(record, records::INTERIM_UPDATE, &self.inner.nas_identifier);
        self.inner.put(told, Kind::Interim);
    }

    fn ended(&self, record: &Record) {
        // A tunnel that was never open has had no Start.
        if record.bound.is_some() {
            let told = Told::of(record, records::STOP, &self.inner.nas_identifier);
            self.inner.put(told, Kind::Stop);
        }
    }

    fn interval(&self) -> Option<Duration> {
        self.inner.interim
    }

    fn interval_of(&self, identity: &Identity) -> Option<Duration> {
        let accepted: Option<&Accepted> = identity.extensions().get();
        let stated = accepted.and_then(|accepted| accepted.interim);
        let stated = stated.map(|stated| stated.clamp(*INTERIM.start(), *INTERIM.end()));
        stated.or(self.inner.interim)
    }
}

/// Without the secret.
impl fmt::Debug for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.inner.servers.iter();
        let servers: Vec<_> = servers.map(|server| server.place.to_string()).collect();
        f.debug_struct("Accounting")
            .field("servers", &servers)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
