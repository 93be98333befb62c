//! `[metrics]`: numbers for Prometheus at `/metrics`, a page for people at `/`, and `/live` and `/ready` for load
//! balancers and the like.

mod admin;
mod answers;
mod feed;
mod health;
mod history;
mod listing;
mod network;
mod numbers;
mod page;
mod row;
mod selection;
mod series;
mod site;
mod snapshot;
mod sums;
mod watch;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, de};
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};
use tower_socks::{
    BoxError,
    layer::{acl::SwapPolicy, record::Sink, track::OpenTunnels},
};

use self::{history::History, listing::Listing, numbers::Numbers, series::Series, watch::Watch};
use crate::{
    auth::UsersPolicy,
    listen::{self, address},
};

use self::admin::AdminPage;

pub(crate) use self::{
    admin::{Admin, CLOSE},
    health::Health,
};

/// `[metrics]`.
#[derive(Clone, Copy, Debug, Deserialize)]
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

    /// Listens.
    pub(crate) fn bind(&self) -> Result<TcpListener, BoxError> {
        let address = self.listen;
        listen::tcp(address, &[])
            .map_err(|error| format!("metrics: cannot listen on {address}: {error}").into())
    }
}

/// For how long the series are good enough for the page: to write them all down takes some time.
const FRESH: Duration = Duration::from_secs(2);

/// What is shown.
pub(crate) struct Status {
    started: Instant,
    numbers: Numbers,
    series: Mutex<Option<(Instant, Arc<Series>)>>,
    open: OpenTunnels,
    listing: Listing,
    history: History,
    /// Shared with what records sessions.
    watch: Arc<Watch>,
    dashboard: bool,
    /// Where tunnels can be closed from the page.
    admin: Option<AdminPage>,
    health: Health,
}

impl Status {
    /// Counts from here on: before the first connection.
    pub(crate) fn start(
        metrics: &Metrics,
        admin: Option<&Admin>,
        open: OpenTunnels,
        policy: SwapPolicy<UsersPolicy>,
        health: Health,
    ) -> Result<Self, BoxError> {
        Ok(Self {
            started: Instant::now(),
            numbers: Numbers::start(policy, health.upstreams().clone())?,
            series: Mutex::default(),
            open,
            listing: Listing::default(),
            history: History::default(),
            watch: Arc::default(),
            dashboard: metrics.has_dashboard(),
            admin: admin
                .and_then(|admin| admin.password_hash.clone())
                .map(AdminPage::new),
            health,
        })
    }

    /// Returns what has to hear of sessions, where there is a page to show them.
    pub(crate) fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.dashboard.then(|| Arc::clone(&self.watch) as _)
    }

    /// Serves HTTP, for ever.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let status = Arc::new(self);
        tokio::spawn(Arc::clone(&status).keep());
        site::serve(listener, status).await;
    }

    /// Does what is to be done every few seconds.
    async fn keep(self: Arc<Self>) {
        let mut often = interval(history::EVERY);
        often.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            often.tick().await;
            self.numbers.upkeep();
            self.listing.tidy();
            if self.dashboard {
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
                let series = Arc::new(Series::parse(&self.numbers.text()));
                *last = Some((Instant::now(), Arc::clone(&series)));
                series
            }
        }
    }

    fn last_series(&self) -> MutexGuard<'_, Option<(Instant, Arc<Series>)>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
