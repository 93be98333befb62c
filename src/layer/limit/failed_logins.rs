use std::{
    collections::HashMap,
    fmt,
    future::Future,
    mem,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{ServiceExt, util::Oneshot};
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::key::of_network;
use crate::{
    admission::AtLimit,
    error::{AuthError, BoxError, Refusal, find},
    session::Negotiation,
};

/// Failures of an address that cost nothing: people mistype.
const FREE: u32 = 3;

/// The pause before the first attempt after those. Each further failure doubles it.
const SHORTEST: Duration = Duration::from_secs(1);

/// And no more than this.
const LONGEST: Duration = Duration::from_secs(60);

/// How long an attempt waits for its turn; for a later turn it is turned away at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// A failure counts for so long.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// Addresses in each of two generations that are remembered.
const GENERATION: usize = 32 * 1024;

/// Slows failed logins down, for each client address (IPv6: each /64). It stands between
/// [`HandshakeLayer`](crate::HandshakeLayer) and [`AuthLayer`](crate::AuthLayer). See the
/// [module](super).
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

struct Shared {
    /// Whether anybody has failed at all.
    any: AtomicBool,
    known: Mutex<Known>,
    at_limit: AtLimit<IpAddr>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            any: AtomicBool::new(false),
            known: Mutex::default(),
            at_limit: AtLimit::new("logins"),
        }
    }
}

#[derive(Default)]
struct Known {
    young: HashMap<IpAddr, Record>,
    old: HashMap<IpAddr, Record>,
}

#[derive(Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
    /// When the next attempt may be made.
    next: Instant,
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

impl Shared {
    /// When an attempt from there may be made, if not now.
    ///
    /// # Errors
    ///
    /// When its turn is too far away.
    fn turn(&self, client: IpAddr) -> Result<Option<Instant>, Refusal> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let now = Instant::now();
        let mut known = self.known();
        let Some(record) = known.get(client, now).filter(|it| it.failures > FREE) else {
            drop(known);
            self.at_limit.left(&client);
            return Ok(None);
        };
        let turn = record.next.max(now);
        let wait = turn - now;
        if wait > PATIENCE {
            return Err(Refusal::not_allowed(format!(
                "too many failed logins from {client}: the next attempt may be made in {} s",
                wait.as_secs() + 1
            ))
            .with_rule("limit logins"));
        }
        record.next = turn + pause(record.failures);
        Ok((turn > now).then_some(turn))
    }

    fn failed(&self, client: IpAddr) {
        let now = Instant::now();
        self.any.store(true, Ordering::Relaxed);
        let mut known = self.known();
        let before = known.get(client, now).copied();
        let failures = before.map_or(1, |record| record.failures.saturating_add(1));
        let next = now
            + if failures > FREE {
                pause(failures)
            } else {
                Duration::ZERO
            };
        let record = Record {
            failures,
            last: now,
            next: before.map_or(next, |record| record.next.max(next)),
        };
        known.insert(client, record);
        drop(known);
        if failures > FREE {
            self.at_limit.reached(&client);
        }
    }

    fn succeeded(&self, client: IpAddr) {
        if self.any.load(Ordering::Relaxed) {
            let mut known = self.known();
            known.young.remove(&client);
            known.old.remove(&client);
            drop(known);
            self.at_limit.left(&client);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn get(&mut self, client: IpAddr, now: Instant) -> Option<&mut Record> {
        let record = match self.young.get_mut(&client) {
            Some(record) => record,
            None => self.old.get_mut(&client)?,
        };
        (now.saturating_duration_since(record.last) < MEMORY).then_some(record)
    }

    fn insert(&mut self, client: IpAddr, record: Record) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&client) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&client);
        self.young.insert(client, record);
    }
}

fn pause(failures: u32) -> Duration {
    let doubled = failures.saturating_sub(FREE + 1).min(16);
    SHORTEST.saturating_mul(1 << doubled).min(LONGEST)
}

/// Slows failed logins down: the service of [`FailedLoginsLayer`].
#[derive(Clone)]
pub struct FailedLogins<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S, Io, R> Service<Negotiation<Io>> for FailedLogins<S>
where
    S: Service<Negotiation<Io>, Response = R> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = R;
    type Error = BoxError;
    type Future = FailedLoginsFuture<S, Io>;

    // The inner one is asked when it is an attempt's turn.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, negotiation: Negotiation<Io>) -> Self::Future {
        let client = of_network(negotiation.peer.ip(), 32, 64);
        let turn = client.map_or(Ok(None), |client| self.shared.turn(client));
        let (refusal, turn) = match turn {
            Ok(turn) => (None, turn),
            Err(refusal) => (Some(refusal), None),
        };
        FailedLoginsFuture {
            refusal,
            turn: turn.map(|turn| Box::pin(sleep_until(turn))),
            asking: self.inner.clone().oneshot(negotiation),
            shared: Arc::clone(&self.shared),
            client,
        }
    }
}

pin_project! {
    /// An attempt to log in: the future of [`FailedLogins`].
    pub struct FailedLoginsFuture<S, Io>
    where
        S: Service<Negotiation<Io>>,
    {
        refusal: Option<Refusal>,
        turn: Option<Pin<Box<Sleep>>>,
        #[pin]
        asking: Oneshot<S, Negotiation<Io>>,
        shared: Arc<Shared>,
        client: Option<IpAddr>,
    }
}

impl<S, Io> Future for FailedLoginsFuture<S, Io>
where
    S: Service<Negotiation<Io>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(refusal) = this.refusal.take() {
            return Poll::Ready(Err(refusal.into()));
        }
        if let Some(turn) = this.turn {
            ready!(turn.as_mut().poll(cx));
            *this.turn = None;
        }
        let outcome = ready!(this.asking.poll(cx)).map_err(Into::into);
        if let Some(client) = *this.client {
            match &outcome {
                Ok(_) => this.shared.succeeded(client),
                Err(error) => {
                    if let Some(AuthError::Denied) = find(&**error) {
                        this.shared.failed(client);
                    }
                }
            }
        }
        Poll::Ready(outcome)
    }
}

impl<S, Io> fmt::Debug for FailedLoginsFuture<S, Io>
where
    S: Service<Negotiation<Io>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedLoginsFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for FailedLoginsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedLoginsLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for FailedLogins<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedLogins")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
