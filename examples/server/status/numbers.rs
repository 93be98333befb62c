//! `/metrics`: the numbers for Prometheus.

use std::{
    collections::HashSet,
    fmt::Write,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use metrics::counter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch::Receiver;
use tower_socks::{
    BoxError,
    layer::{
        acl::SwapPolicy,
        metrics::{names, register as register_all},
    },
};

use super::{process::Process, queues::Queues, reloads};
use crate::{auth::UsersPolicy, settings::Fixed, shared::Shared, upstream::Standings};

/// Upper bounds for the times of dials and lookups, in seconds.
const TIMES: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// And for how long tunnels are open.
const OPEN_TIMES: [f64; 8] = [0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0];

/// Rules whose refusals are there before the first one.
const RULES: usize = 1_000;

/// When certificates expire.
const CERTIFICATES: &str = "socks_certificate_expiry_timestamp_seconds";

/// What is counted, from the start.
pub(super) struct Numbers {
    handle: PrometheusHandle,
    policy: SwapPolicy<UsersPolicy>,
    upstreams: Standings,
    process: Process,
    queues: Queues,
    in_force: Receiver<Arc<Fixed>>,
}

impl Numbers {
    /// Counts from here on: before the first connection.
    pub(super) fn start(shared: &Shared) -> Result<Self, BoxError> {
        let handle = PrometheusBuilder::new()
            .set_buckets(&TIMES)?
            .set_buckets_for_metric(Matcher::Full(names::TUNNEL_SECONDS.into()), &OPEN_TIMES)?
            .install_recorder()?;
        names::describe();
        register_all();
        reloads::register();
        Ok(Self {
            handle,
            policy: shared.policy(),
            upstreams: shared.upstreams.clone(),
            process: Process::new(),
            queues: Queues::of(shared),
            in_force: shared.in_force(),
        })
    }

    /// Does what is to be done every few seconds, so that what is not scraped does not pile up.
    pub(super) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Returns the numbers, without those of rules and upstreams that are in force no more.
    pub(super) fn text(&self) -> String {
        let policy = self.policy.current();
        let rules: HashSet<String> = policy.rules.names().map(|name| escaped(&name)).collect();
        let series = format!("{}{{reason=\"", names::REFUSALS);
        let upstreams = self.upstreams.record();
        let is_upstream = |line: &str| {
            let line = line.strip_prefix("socks_upstream_");
            let name = line.and_then(|line| line.split_once("upstream=\"")?.1.split_once('"'));
            name.is_none_or(|(name, _)| name == "direct" || upstreams.contains(name))
        };
        let is_shown = |line: &str| {
            let reason = line.strip_prefix(&series);
            let reason = reason.and_then(|line| line.rsplit_once("\"}"));
            reason.is_none_or(|(reason, _)| !reason.starts_with("rule ") || rules.contains(reason))
                && is_upstream(line)
        };
        for rule in policy.rules.refusing().take(RULES) {
            counter!(names::REFUSALS, "reason" => rule).increment(0);
        }
        self.queues.record();
        let mut shown = self.handle.render();
        if shown.lines().any(|line| !is_shown(line)) {
            let lines = shown.split_inclusive('\n');
            shown = lines.filter(|line| is_shown(line)).collect();
        }
        self.process.write(&mut shown);
        self.write_certificates(&mut shown);
        shown
    }

    /// Those of files that are in force, and no others.
    fn write_certificates(&self, text: &mut String) {
        let in_force = self.in_force.borrow();
        let mut is_first = true;
        for (file, expires) in in_force.certificates.iter() {
            if std::mem::take(&mut is_first) {
                _ = write!(
                    text,
                    "# HELP {CERTIFICATES} When the first certificate of a file expires, or the first list of revoked ones.\n# TYPE {CERTIFICATES} gauge\n"
                );
            }
            let expires = expires.duration_since(UNIX_EPOCH);
            let expires = expires.as_ref().map_or(0, Duration::as_secs);
            let file = escaped(&file.to_string_lossy());
            _ = writeln!(text, "{CERTIFICATES}{{file=\"{file}\"}} {expires}");
        }
    }
}

/// The value of a label as the format of Prometheus has it.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}
