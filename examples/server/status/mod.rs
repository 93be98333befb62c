//! `[metrics]`: numbers for Prometheus at `/metrics`, and a page for people at `/`.

mod http;
mod snapshot;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Deserializer, de};
use tokio::{net::TcpListener, time::interval};
use tower_socks::{
    BoxError,
    layer::{metrics::names, track::OpenTunnels},
};

use crate::listen::address;

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

/// What is shown.
#[derive(Clone)]
pub(crate) struct Status {
    numbers: PrometheusHandle,
    open: OpenTunnels,
    dashboard: bool,
}

impl Status {
    /// Counts from here on: before the first connection.
    pub(crate) fn start(metrics: &Metrics, open: OpenTunnels) -> Result<Self, BoxError> {
        use metrics_exporter_prometheus::Matcher;

        let numbers = PrometheusBuilder::new()
            .set_buckets(&TIMES)?
            .set_buckets_for_metric(Matcher::Full(names::TUNNEL_SECONDS.into()), &OPEN_TIMES)?
            .install_recorder()?;
        names::describe();
        Ok(Self {
            numbers,
            open,
            dashboard: metrics.has_dashboard(),
        })
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
