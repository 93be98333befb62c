//! `[metrics]`: numbers for Prometheus at `/metrics`, a page for people at `/`, and `/live` and `/ready` for load
//! balancers and the like.

mod admin;
mod answers;
mod feed;
mod health;
mod history;
mod listing;
mod network;
#[cfg_attr(
    not(feature = "redis"),
    allow(dead_code, reason = "there are no other servers")
)]
mod nodes;
mod numbers;
mod pac;
mod page;
mod process;
mod queues;
pub(crate) mod reloads;
mod row;
mod selection;
mod series;
mod server;
mod site;
mod snapshot;
mod sums;
mod watch;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, de};
use tokio::{
    sync::watch::Receiver,
    time::{MissedTickBehavior, interval},
};
use tower_socks::{
    BoxError,
    layer::{record::Sink, track::OpenTunnels},
};

use self::{history::History, listing::Listing, numbers::Numbers, series::Series, watch::Watch};
use crate::{fleet, limits::InForce, listen::address, settings::Fixed, shared::Shared};

use self::admin::AdminPage;

#[cfg(feature = "redis")]
pub(crate) use self::admin::close_user;
pub(crate) use self::{
    admin::{Admin, CLOSE, Closer, ControlServer},
    health::Health,
    nodes::Summary,
    pac::{Pac, PacServer, Scripts},
    server::StatusServer,
};

/// `[metrics]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    #[serde(deserialize_with = "deserialize_address")]
    pub(crate) listen: SocketAddr,
    dashboard: Option<bool>,
}

fn deserialize_address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    address(&String::deserialize(from)?).map_err(de::Error::custom)
}

impl Metrics {
    /// Whether there is the page, which shows who is connected to what: on loopback, unless the
    /// file says otherwise.
    pub(crate) fn has_dashboard(&self) -> bool {
        let is_local = self.listen.ip().to_canonical().is_loopback();
        self.dashboard.unwrap_or(is_local)
    }
}

/// For how long the series are good enough for the page: to write them all down takes some time.
const FRESH: Duration = Duration::from_secs(2);

/// How many are shown of those who are closest to a limit.
const FULLEST: usize = 3;

/// What is shown.
pub(crate) struct Status {
    started: Instant,
    numbers: Numbers,
    series: Mutex<Option<(Instant, Arc<Series>)>>,
    open: OpenTunnels,
    fleet: fleet::InForce,
    in_force: Receiver<Arc<Fixed>>,
    limits: InForce,
    listing: Listing,
    history: History,
    /// Shared with what records sessions.
    watch: Arc<Watch>,
    dashboard: AtomicBool,
    /// Where tunnels can be closed from the page.
    admin: Mutex<Option<Arc<AdminPage>>>,
    scripts: Scripts,
    health: Health,
}

impl Status {
    /// Counts from here on: layers that are made before do not. For the whole of the process.
    ///
    /// # Errors
    ///
    /// Something counts already.
    pub(crate) fn start(shared: &Shared, health: Health) -> Result<Arc<Self>, BoxError> {
        let status = Arc::new(Self {
            started: Instant::now(),
            numbers: Numbers::start(shared)?,
            series: Mutex::default(),
            open: shared.open.clone(),
            fleet: shared.fleet.clone(),
            in_force: shared.in_force(),
            limits: shared.limits.clone(),
            listing: Listing::default(),
            history: History::default(),
            watch: Arc::default(),
            dashboard: AtomicBool::new(false),
            admin: Mutex::default(),
            scripts: Scripts::new(shared.in_force()),
            health,
        });
        tokio::spawn(Arc::clone(&status).keep());
        Ok(status)
    }

    /// Shows as much as the file says.
    pub(crate) fn set(&self, metrics: &Metrics, admin: Option<&Admin>) {
        self.dashboard
            .store(metrics.has_dashboard(), Ordering::Relaxed);
        let hash = admin.and_then(|admin| admin.password_hash.clone());
        let mut page = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has signed in stays, unless the password is another one.
        *page = hash.map(|hash| match page.take() {
            Some(page) if page.is_of(&hash) => page,
            _ => Arc::new(AdminPage::new(hash)),
        });
    }

    fn closer(&self) -> Closer {
        Closer::new(self.open.clone(), self.fleet.clone())
    }

    /// Whether there is the page.
    fn has_dashboard(&self) -> bool {
        self.dashboard.load(Ordering::Relaxed)
    }

    /// Where tunnels can be closed from the page.
    fn admin(&self) -> Option<Arc<AdminPage>> {
        let page = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        page.clone()
    }

    /// Returns what has to hear of sessions, where there is a page to show them.
    pub(crate) fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.has_dashboard().then(|| Arc::clone(&self.watch) as _)
    }

    /// Does what is to be done every few seconds.
    async fn keep(self: Arc<Self>) {
        let mut often = interval(history::EVERY);
        often.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            often.tick().await;
            self.numbers.upkeep();
            self.listing.tidy();
            if self.has_dashboard() {
                let refused = self.series().refused();
                self.history.sample(&self.open.totals(), refused);
            }
        }
    }

    /// Returns the numbers as they were a moment ago at most.
    fn series(&self) -> Arc<Series> {
        let mut last = self.last_series();
        match &*last {
            Some((at, series)) if at.elapsed() < FRESH => Arc::clone(series),
            _ => {
                let mut series = Series::parse(&self.numbers.text());
                series.fullest = self.limits.fullest(FULLEST);
                series.fullest.extend(self.fleet.fullest(FULLEST));
                let series = Arc::new(series);
                *last = Some((Instant::now(), Arc::clone(&series)));
                series
            }
        }
    }

    fn last_series(&self) -> MutexGuard<'_, Option<(Instant, Arc<Series>)>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
