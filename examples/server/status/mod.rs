//! `[metrics]`: numbers for Prometheus at `/metrics`, a page for people at `/`, and `/live` and `/ready` for load
//! balancers and the like.

mod health;
mod http;
mod snapshot;

use std::{collections::HashSet, io, net::SocketAddr, sync::Arc, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Deserializer, de};
use tokio::{net::TcpListener, time::interval};
use tower_socks::{
    BoxError,
    layer::{acl::SwapPolicy, metrics::names, track::OpenTunnels},
};

use crate::{
    auth::UsersPolicy,
    listen::{self, address},
};

pub(crate) use self::health::Health;

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
}

/// Upper bounds for the times of dials and lookups, in seconds.
const TIMES: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// And for how long tunnels are open.
const OPEN_TIMES: [f64; 8] = [0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0];

/// The value of a label as the format of Prometheus has it.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

/// What is shown.
pub(crate) struct Status {
    numbers: PrometheusHandle,
    open: OpenTunnels,
    policy: SwapPolicy<UsersPolicy>,
    dashboard: bool,
    health: Health,
}

impl Metrics {
    /// Listens.
    pub(crate) fn bind(&self) -> Result<TcpListener, BoxError> {
        let address = self.listen;
        listen::tcp(address, &[])
            .map_err(|error| format!("metrics: cannot listen on {address}: {error}").into())
    }
}

impl Status {
    /// Counts from here on: before the first connection.
    pub(crate) fn start(
        metrics: &Metrics,
        open: OpenTunnels,
        policy: SwapPolicy<UsersPolicy>,
        health: Health,
    ) -> Result<Self, BoxError> {
        use metrics_exporter_prometheus::Matcher;

        let numbers = PrometheusBuilder::new()
            .set_buckets(&TIMES)?
            .set_buckets_for_metric(Matcher::Full(names::TUNNEL_SECONDS.into()), &OPEN_TIMES)?
            .install_recorder()?;
        names::describe();
        Ok(Self {
            numbers,
            open,
            policy,
            dashboard: metrics.has_dashboard(),
            health,
        })
    }

    /// Returns the numbers, without those of rules that are in force no more.
    fn numbers(&self) -> String {
        let policy = self.policy.current();
        let rules: HashSet<String> = policy.rules.names().map(|name| escaped(&name)).collect();
        let series = format!("{}{{reason=\"", names::REFUSALS);
        let is_shown = |line: &str| {
            let reason = line.strip_prefix(&series);
            let reason = reason.and_then(|line| line.rsplit_once("\"}"));
            reason.is_none_or(|(reason, _)| !reason.starts_with("rule ") || rules.contains(reason))
        };
        let mut shown = self.numbers.render();
        if shown.lines().any(|line| !is_shown(line)) {
            let lines = shown.split_inclusive('\n');
            shown = lines.filter(|line| is_shown(line)).collect();
        }
        shown
    }

    /// Serves HTTP, for ever.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let numbers = self.numbers.clone();
        tokio::spawn(async move {
            // What is not scraped is not to pile up.
            let mut often = interval(Duration::from_secs(5));
            loop {
                often.tick().await;
                numbers.run_upkeep();
            }
        });
        http::serve(listener, Arc::new(self)).await
    }
}
