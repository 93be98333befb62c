//! The limits in force, which count on when the file says something else.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tower_socks::{
    BoxError, Identity, Request,
    layer::{
        key::KeyExtractor,
        limit::{ConcurrentTunnels, Pace, RequestRate},
        meter::{Bandwidth, CalendarQuota, CalendarStore, Quotas, Rates},
    },
    server::{HandshakeLimit, SessionLimit},
    session::{Amount, Amounts, UserLimit},
};

use super::{Limits, subject::Subject, table::Table};

/// How often what was used of quotas is saved: so much of it a crash loses.
const SAVED_EVERY: Duration = Duration::from_secs(10);

pub(crate) type Subjects = fn(&Request) -> Option<Subject>;
pub(crate) type Of<T> = fn(&Request) -> Option<T>;

/// The limits in force. Clones share them.
#[derive(Clone)]
pub(crate) struct InForce {
    table: Arc<Current>,
    sessions: SessionLimit,
    handshakes: HandshakeLimit,
    associations: UserLimit,
    binds: UserLimit,
    pub(super) requests: RequestRate<Subjects, Of<Pace>>,
    pub(super) tunnels: ConcurrentTunnels<Subjects, Of<usize>>,
    pub(super) bandwidth: Bandwidth<Subjects, Of<Rates>>,
    pub(super) quota: CalendarQuota<Subjects, Of<Quotas>>,
}

/// The table in force.
#[derive(Default)]
struct Current {
    /// Whether it says anything: mostly it does not, and nobody has to look into it.
    says: AtomicBool,
    table: RwLock<Arc<Table>>,
}

impl Current {
    fn set(&self, table: Table) {
        let says = !table.is_empty();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        self.says.store(says, Ordering::Release);
    }

    /// What somebody has, if anybody has said anything of it.
    fn of(&self, identity: &Identity) -> Option<Amounts> {
        if !self.says.load(Ordering::Acquire) && Amounts::of(identity).is_none() {
            return None;
        }
        Some(self.get().of(identity))
    }

    fn get(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}

/// What was found for a request, once for all limits.
fn amounts(request: &Request) -> Option<&Amounts> {
    request.extensions.get()
}

/// The bandwidth of a request's user.
pub(crate) fn rates_of(request: &Request) -> Option<Rates> {
    rates(amounts(request)?)
}

/// The quotas of a request's user.
pub(crate) fn quotas_of(request: &Request) -> Option<Quotas> {
    quotas(amounts(request)?)
}

fn pace(amounts: &Amounts) -> Option<Pace> {
    let each = amounts.requests_per_second.filter(|it| *it < u32::MAX)?;
    let pace = Pace::per_second(each);
    Some(match amounts.request_burst {
        Some(burst) => pace.burst(burst),
        None => pace,
    })
}

fn rates(amounts: &Amounts) -> Option<Rates> {
    let is_limited = amounts.upload.is_some() || amounts.download.is_some();
    is_limited.then(|| amounts.into())
}

fn quotas(amounts: &Amounts) -> Option<Quotas> {
    let is_limited = amounts.bytes_per_day.is_some() || amounts.bytes_per_month.is_some();
    is_limited.then(|| amounts.into())
}

impl InForce {
    /// Puts limits in force, and takes up what was used of quotas.
    pub(crate) fn new(limits: &Limits) -> Result<Self, BoxError> {
        let table = Arc::new(Current::default());
        table.set(Table::new(limits));
        let mut store = CalendarStore::new(Quotas::new(), limits.periods()?);
        if let Some(path) = &limits.quota_file {
            store = store
                .open(path)
                .map_err(|problem| format!("limits, quota_file: {}: {problem}", path.display()))?;
        }
        let of_user = Arc::clone(&table);
        let subjects: Subjects = Subject::of;
        Ok(Self {
            sessions: limits
                .sessions()
                .per_user_of(move |identity| of_user.of(identity)?.sessions),
            handshakes: limits.handshakes(),
            associations: UserLimit::associations(limits.associations_per_user.get())
                .by_request(|request: &Request| amounts(request)?.associations),
            binds: UserLimit::binds(limits.binds_per_user.get())
                .by_request(|request: &Request| amounts(request)?.binds),
            requests: RequestRate::by_request(|request| pace(amounts(request)?), subjects),
            tunnels: ConcurrentTunnels::by_request(|request| amounts(request)?.tunnels, subjects),
            bandwidth: Bandwidth::by_request(rates_of as Of<Rates>, subjects),
            quota: CalendarQuota::new(store, quotas_of as Of<Quotas>, subjects),
            table,
        })
    }

    /// Puts others in force. Nothing that was counted is lost, and open tunnels have the new bandwidth and the new quotas.
    pub(crate) fn set(&self, limits: &Limits) {
        // First what new requests have, so that none of them sets what was in force before.
        self.table.set(Table::new(limits));
        self.bandwidth.set_rates(self.rates());
        self.quota.store().allow_all(self.quotas());
        self.quota.store().set_file(limits.quota_file.clone());
        match limits.periods() {
            Ok(periods) => self.quota.store().set_periods(periods),
            Err(problem) => tracing::warn!("days and months begin as before: {problem}"),
        }
        self.sessions.set_like(&limits.sessions());
        self.handshakes
            .set_per_client(limits.unauthenticated_per_client.get());
        self.associations
            .set_most(limits.associations_per_user.get());
        self.binds.set_most(limits.binds_per_user.get());
    }

    /// What each has by now.
    pub(crate) fn rates(&self) -> impl Fn(&Subject) -> Option<Rates> + use<> {
        let table = self.table.get();
        move |subject| rates(&table.of(subject.identity()))
    }

    /// The same of quotas.
    pub(crate) fn quotas(&self) -> impl Fn(&Subject) -> Option<Quotas> + use<> {
        let table = self.table.get();
        move |subject| quotas(&table.of(subject.identity()))
    }

    /// Finds out what a request's user has, for the limits below.
    pub(crate) fn find(
        &self,
    ) -> impl Fn(Request) -> Request + Clone + Send + Sync + 'static + use<> {
        let table = Arc::clone(&self.table);
        move |mut request| {
            if let Some(amounts) = table.of(&request.identity) {
                request.extensions.insert(amounts);
            }
            request
        }
    }

    /// Saves what is used of quotas, if there is a file for it.
    pub(crate) async fn keep_saved(self) {
        self.quota.store().keep_saved(SAVED_EVERY).await;
    }

    /// Saves it at the end.
    pub(crate) fn save(&self) {
        if let Err(problem) = self.quota.store().save() {
            tracing::warn!("quotas cannot be saved: {problem}");
        }
    }

    pub(crate) fn sessions(&self) -> SessionLimit {
        self.sessions.clone()
    }

    pub(crate) fn handshakes(&self) -> HandshakeLimit {
        self.handshakes.clone()
    }

    pub(crate) fn associations(&self) -> UserLimit {
        self.associations.clone()
    }

    pub(crate) fn binds(&self) -> UserLimit {
        self.binds.clone()
    }

    pub(crate) fn requests(
        &self,
    ) -> RequestRate<impl KeyExtractor<Key = Subject> + use<>, impl Amount<Pace> + use<>> {
        self.requests.clone()
    }

    pub(crate) fn tunnels(
        &self,
    ) -> ConcurrentTunnels<impl KeyExtractor<Key = Subject> + use<>, impl Amount<usize> + use<>>
    {
        self.tunnels.clone()
    }

    pub(crate) fn bandwidth(&self) -> Bandwidth<Subjects, Of<Rates>> {
        self.bandwidth.clone()
    }

    pub(crate) fn quota(&self) -> CalendarQuota<Subjects, Of<Quotas>> {
        self.quota.clone()
    }
}
